# viv_add_plugin(NAME SOURCES a.c b.c [LIBRARIES lib ...] [SKILL])
#
# One module NAME.so from the sources and the folder's manifest.json: hidden symbols, one export, no start files, full
# RELRO, immediate binding, nothing undefined. The same function in the tree and, installed, outside it.
function(viv_add_plugin name)
    cmake_parse_arguments(arg "SKILL" "" "SOURCES;LIBRARIES" ${ARGN})
    find_package(Python3 REQUIRED COMPONENTS Interpreter)
    if(NOT DEFINED VIV_GEN_DIR)
        set(VIV_GEN_DIR ${PROJECT_SOURCE_DIR}/tools/gen)
    endif()
    set(manifest ${CMAKE_CURRENT_SOURCE_DIR}/manifest.json)
    set(out ${CMAKE_CURRENT_BINARY_DIR}/generated-${name})
    add_custom_command(OUTPUT ${out}/${name}_manifest.h ${out}/${name}_note.c
        COMMAND Python3::Interpreter ${VIV_GEN_DIR}/manifest.py ${manifest} ${name} ${out}
        DEPENDS ${manifest} ${VIV_GEN_DIR}/manifest.py VERBATIM)
    add_library(${name} MODULE ${arg_SOURCES} ${out}/${name}_manifest.h ${out}/${name}_note.c)
    set_target_properties(${name} PROPERTIES VIV_ONE_THREAD ON PREFIX "" C_STANDARD 11 C_EXTENSIONS OFF C_VISIBILITY_PRESET hidden
        LIBRARY_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/plugins)
    target_include_directories(${name} PRIVATE ${CMAKE_CURRENT_SOURCE_DIR} ${out})
    target_link_libraries(${name} PRIVATE viv::plugin-api viv::plugin-kit ${arg_LIBRARIES})
    if(TARGET viv_build_flags)
        target_link_libraries(${name} PRIVATE viv_build_flags)
    endif()
    if(VIV_SANITIZE)
        target_link_options(${name} PRIVATE -nostartfiles -Wl,-z,relro,-z,now,-z,noexecstack -Wl,--exclude-libs,ALL)
    else()
        target_link_options(${name} PRIVATE -nostartfiles -Wl,-z,defs,-z,relro,-z,now,-z,noexecstack
            -Wl,--exclude-libs,ALL -Wl,--as-needed)
    endif()
    set_property(GLOBAL APPEND PROPERTY VIV_PLUGIN_TARGETS ${name})
    if(arg_SKILL)
        set_property(GLOBAL APPEND PROPERTY VIV_SKILL_TARGETS ${name})
    endif()
endfunction()

# viv_add_bundled(NAME): a static library with the digests and manifests of every plugin and skill that was added so far,
# made anew whenever one of them is built. Linked into the program only: tests bring tables of their own.
function(viv_add_bundled name)
    get_property(targets GLOBAL PROPERTY VIV_PLUGIN_TARGETS)
    set(out ${CMAKE_CURRENT_BINARY_DIR}/${name}.c)
    set(pairs)
    set(needs)
    foreach(target IN LISTS targets)
        get_target_property(source ${target} SOURCE_DIR)
        list(APPEND pairs $<TARGET_FILE:${target}> ${source}/manifest.json)
        list(APPEND needs ${target} $<TARGET_FILE:${target}> ${source}/manifest.json)
    endforeach()
    set(tool ${PROJECT_SOURCE_DIR}/tools/gen/bundled.py)
    add_custom_command(OUTPUT ${out} COMMAND Python3::Interpreter ${tool} ${out} ${pairs}
        DEPENDS ${needs} ${tool} VERBATIM)
    add_library(${name} STATIC ${out})
    target_link_libraries(${name} PUBLIC vh_base PRIVATE viv_build_flags)
endfunction()

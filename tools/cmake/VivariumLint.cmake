# What docs/style.md calls one door fails the build: sources are read when one of them changes, objects when one of them
# was made anew. Everything else that tools/lint checks is a test.
if(NOT VIV_LINT_AT_BUILD)
    return()
endif()

# viv_objects_below(OUT FOLDERS...): the objects of every target made there.
function(viv_objects_below out)
    set(found)
    foreach(folder IN LISTS ARGN)
        get_property(targets DIRECTORY ${folder} PROPERTY BUILDSYSTEM_TARGETS)
        foreach(target IN LISTS targets)
            get_target_property(type ${target} TYPE)
            if(type MATCHES "^(EXECUTABLE|STATIC_LIBRARY|SHARED_LIBRARY|MODULE_LIBRARY|OBJECT_LIBRARY)$")
                list(APPEND found $<TARGET_OBJECTS:${target}>)
            endif()
        endforeach()
        get_property(below DIRECTORY ${folder} PROPERTY SUBDIRECTORIES)
        viv_objects_below(more ${below})
        list(APPEND found ${more})
    endforeach()
    set(${out} ${found} PARENT_SCOPE)
endfunction()

set(lint ${PROJECT_SOURCE_DIR}/tools/lint)
set(stamps ${CMAKE_BINARY_DIR}/lint)
file(MAKE_DIRECTORY ${stamps})
file(GLOB_RECURSE read_by_lint CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/host/* ${PROJECT_SOURCE_DIR}/plugins/*
    ${PROJECT_SOURCE_DIR}/skills/* ${PROJECT_SOURCE_DIR}/plugin-api/* ${PROJECT_SOURCE_DIR}/tests/*.c
    ${PROJECT_SOURCE_DIR}/tests/*.h ${PROJECT_SOURCE_DIR}/tools/*.c ${PROJECT_SOURCE_DIR}/tools/*.h)
viv_objects_below(objects ${PROJECT_SOURCE_DIR})
foreach(name IN ITEMS layers onedoor)
    add_custom_command(OUTPUT ${stamps}/${name} COMMAND Python3::Interpreter -B ${lint}/${name} ${PROJECT_SOURCE_DIR}
        COMMAND ${CMAKE_COMMAND} -E touch ${stamps}/${name}
        DEPENDS ${read_by_lint} ${lint}/${name} ${lint}/source.py ${lint}/doors.py
        COMMENT "Looking at sources: ${name}" VERBATIM)
endforeach()
add_custom_command(OUTPUT ${stamps}/doorsymbols
    COMMAND Python3::Interpreter -B ${lint}/doorsymbols ${PROJECT_SOURCE_DIR} ${CMAKE_BINARY_DIR}
    COMMAND ${CMAKE_COMMAND} -E touch ${stamps}/doorsymbols
    DEPENDS ${objects} ${lint}/doorsymbols ${lint}/source.py ${lint}/doors.py
    COMMENT "Looking at objects: doorsymbols" VERBATIM)
add_custom_target(viv_lint ALL DEPENDS ${stamps}/layers ${stamps}/onedoor ${stamps}/doorsymbols)

# viv_add_test(NAME LABEL SOURCES... [LIBRARIES ...]): one cmocka program, timed, labelled by its folder.
function(viv_add_test name label)
    cmake_parse_arguments(arg "" "TIMEOUT" "SOURCES;LIBRARIES" ${ARGN})
    add_executable(${name} ${arg_SOURCES})
    target_link_libraries(${name} PRIVATE viv_build_flags cmocka ${arg_LIBRARIES})
    add_test(NAME ${label}/${name} COMMAND ${name})
    if(NOT arg_TIMEOUT)
        set(arg_TIMEOUT 180)
    endif()
    if(VIV_SANITIZE) # instrumented code on a busy machine
        math(EXPR arg_TIMEOUT "${arg_TIMEOUT} * 5")
    endif()
    set_tests_properties(${label}/${name} PROPERTIES LABELS ${label} TIMEOUT ${arg_TIMEOUT} SKIP_RETURN_CODE 77)
endfunction()

# Warnings and sanitizers, as one interface target that every target of the tree links.
option(VIV_WERROR "Warnings are errors" OFF)
add_library(viv_build_flags INTERFACE)
target_compile_options(viv_build_flags INTERFACE
    -Wall -Wextra -Wpedantic -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wold-style-definition
    -Wwrite-strings -Wvla -Wformat=2 -Wundef -Wpointer-arith -Wcast-qual -Wswitch-enum
    -fstack-protector-strong -fno-common)
target_compile_definitions(viv_build_flags INTERFACE _GNU_SOURCE)
if(VIV_WERROR)
    target_compile_options(viv_build_flags INTERFACE -Werror)
endif()
if(CMAKE_BUILD_TYPE STREQUAL "Release")
    # Programs hold nothing that they do not use. Plugins are what their author linked: their bytes are judged.
    target_compile_options(viv_build_flags INTERFACE -D_FORTIFY_SOURCE=2 -ffunction-sections -fdata-sections)
    target_link_options(viv_build_flags INTERFACE
        $<$<STREQUAL:$<TARGET_PROPERTY:TYPE>,EXECUTABLE>:LINKER:--gc-sections>)
endif()
if(VIV_SANITIZE STREQUAL "address")
    target_compile_options(viv_build_flags INTERFACE -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer)
    target_link_options(viv_build_flags INTERFACE -fsanitize=address,undefined)
    # VH_ARENA_EXACT: each allocation ends where its memory does, so that the sanitizer sees what reads on.
    target_compile_definitions(viv_build_flags INTERFACE VH_SANITIZED=1 VH_ARENA_EXACT=1)
elseif(VIV_SANITIZE STREQUAL "thread")
    # Not for what runs in a runner: one thread by rule, and the sanitizer's own thread is one the sandbox forbids.
    set(viv_threaded $<NOT:$<BOOL:$<TARGET_PROPERTY:VIV_ONE_THREAD>>>)
    target_compile_options(viv_build_flags INTERFACE $<${viv_threaded}:-fsanitize=thread> -fno-omit-frame-pointer)
    target_link_options(viv_build_flags INTERFACE $<${viv_threaded}:-fsanitize=thread>)
    target_compile_definitions(viv_build_flags INTERFACE $<${viv_threaded}:VH_SANITIZED=1>)
elseif(VIV_SANITIZE)
    message(FATAL_ERROR "VIV_SANITIZE is '${VIV_SANITIZE}', allowed: address, thread")
endif()
if(VIV_FUZZ)
    if(NOT CMAKE_C_COMPILER_ID STREQUAL "Clang")
        message(FATAL_ERROR "VIV_FUZZ needs clang and its libFuzzer, found ${CMAKE_C_COMPILER_ID}; apt-get install "
            "clang-14 libclang-rt-14-dev, then use the preset 'fuzz'")
    endif()
    target_compile_options(viv_build_flags INTERFACE -fsanitize=fuzzer-no-link)
endif()

# viv_digests: SHA-1 and SHA-256 of libcrypto, the only part of it that is used. From its archive, if there is one: the
# whole shared library would cost every start 0.6 ms and every process 1.5 MiB (docs/decisions/0022-start.md).
option(VIV_DIGESTS_STATIC "Link the digests from libcrypto's archive, so that libcrypto is not loaded" ON)
pkg_check_modules(CRYPTO REQUIRED IMPORTED_TARGET libcrypto)
add_library(viv_digests INTERFACE)
if(VIV_DIGESTS_STATIC)
    find_library(VIV_CRYPTO_ARCHIVE libcrypto.a HINTS ${CRYPTO_LIBDIR})
endif()
if(VIV_DIGESTS_STATIC AND VIV_CRYPTO_ARCHIVE)
    target_include_directories(viv_digests SYSTEM INTERFACE ${CRYPTO_INCLUDE_DIRS})
    target_link_libraries(viv_digests INTERFACE ${VIV_CRYPTO_ARCHIVE})
else()
    target_link_libraries(viv_digests INTERFACE PkgConfig::CRYPTO)
endif()

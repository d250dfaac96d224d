# What `cmake --install` gives, besides what folders install themselves: programs, plugins, the kit, a CMake package for
# plugin authors, a pkg-config file, contracts and reference pages. Read last, when all targets are known.
include(CMakePackageConfigHelpers)

# By the number of the ABI: plugins of two ABIs can lie side by side.
file(STRINGS plugin-api/include/viv/core.h viv_abi REGEX "^#define VIV_ABI_MAJOR ")
string(REGEX REPLACE "[^0-9]" "" viv_abi "${viv_abi}")
set(viv_plugin_dir ${CMAKE_INSTALL_LIBDIR}/vivarium/${viv_abi})
set(viv_share ${CMAKE_INSTALL_DATADIR}/vivarium)

foreach(program IN ITEMS vivhost vivpack vivcheck)
    if(TARGET ${program})
        install(TARGETS ${program} DESTINATION ${CMAKE_INSTALL_BINDIR})
    endif()
endforeach()

# Plugins and skills go as they were built: the host knows the digests of the bundled ones, so nothing is stripped here.
# Those of tests stay here.
get_property(plugins GLOBAL PROPERTY VIV_PLUGIN_TARGETS)
foreach(plugin IN LISTS plugins)
    get_target_property(folder ${plugin} SOURCE_DIR)
    if(NOT folder MATCHES "^${PROJECT_SOURCE_DIR}/tests/")
        install(TARGETS ${plugin} LIBRARY DESTINATION ${viv_plugin_dir})
    endif()
endforeach()

foreach(kit IN ITEMS viv_plugin_kit viv_plugin_kit_json)
    if(TARGET ${kit})
        install(TARGETS ${kit} ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})
    endif()
endforeach()
install(DIRECTORY plugin-api/kit/ DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/viv/kit FILES_MATCHING PATTERN "*.h"
    PATTERN "*_inside.h" EXCLUDE)
install(FILES tools/gen/manifest.py DESTINATION ${viv_share}/gen)
install(DIRECTORY docs/contract DESTINATION ${viv_share} FILES_MATCHING PATTERN "*.json")
install(PROGRAMS tools/verify-log tools/verify-checkpoint DESTINATION ${viv_share}) # for a machine of its own; no program of the host's

# The scripted endpoint for models; its program finds its parts by the way from one folder to the other.
file(RELATIVE_PATH viv_mock_parts /${CMAKE_INSTALL_BINDIR} /${viv_share}/mock-model.d)
file(READ tools/mock-model viv_mock_program)
string(REPLACE "PARTS = \"mock-model.d\"" "PARTS = \"${viv_mock_parts}\"" viv_mock_program "${viv_mock_program}")
file(CONFIGURE OUTPUT ${PROJECT_BINARY_DIR}/viv-mock-model CONTENT "${viv_mock_program}" @ONLY)
set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS tools/mock-model)
install(PROGRAMS ${PROJECT_BINARY_DIR}/viv-mock-model DESTINATION ${CMAKE_INSTALL_BINDIR})
install(DIRECTORY tools/mock-model.d DESTINATION ${viv_share} FILES_MATCHING PATTERN "*.py" PATTERN "*.json"
    PATTERN "__pycache__" EXCLUDE)
install(FILES docs/mock-model.md DESTINATION ${CMAKE_INSTALL_DOCDIR})

install(FILES LICENSE DESTINATION ${CMAKE_INSTALL_DOCDIR})

set(viv_package ${CMAKE_INSTALL_LIBDIR}/cmake/Vivarium)
configure_package_config_file(tools/cmake/VivariumConfig.cmake.in ${PROJECT_BINARY_DIR}/VivariumConfig.cmake
    INSTALL_DESTINATION ${viv_package} PATH_VARS CMAKE_INSTALL_INCLUDEDIR CMAKE_INSTALL_LIBDIR viv_share viv_plugin_dir)
write_basic_package_version_file(${PROJECT_BINARY_DIR}/VivariumConfigVersion.cmake COMPATIBILITY SameMajorVersion)
install(FILES ${PROJECT_BINARY_DIR}/VivariumConfig.cmake ${PROJECT_BINARY_DIR}/VivariumConfigVersion.cmake
    tools/cmake/VivariumPlugin.cmake DESTINATION ${viv_package})

file(RELATIVE_PATH viv_up /${CMAKE_INSTALL_LIBDIR}/pkgconfig /)
string(REGEX REPLACE "/$" "" viv_up "${viv_up}")
configure_file(tools/cmake/vivarium.pc.in ${PROJECT_BINARY_DIR}/vivarium.pc @ONLY)
install(FILES ${PROJECT_BINARY_DIR}/vivarium.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)

# Install and export: find_package(cairn) and pkg-config. What is installed may be moved as a
# whole (cmake --install --prefix, DESTDIR, a relocated tree): paths in it are relative to it.
include(CMakePackageConfigHelpers)

install(TARGETS cairn EXPORT cairn-targets FILE_SET HEADERS)
install(EXPORT cairn-targets NAMESPACE cairn:: DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/cairn)

set(CAIRN_URING_DEPENDENCY)
set(CAIRN_PC_REQUIRES "rocksdb libxxhash libzstd liblz4")
if(TARGET PkgConfig::dep_uring)
  set(CAIRN_URING_DEPENDENCY uring:liburing)
  string(APPEND CAIRN_PC_REQUIRES " liburing")
endif()
set(CAIRN_S3_DEPENDENCIES)
if(TARGET cairn_s3)
  set(CAIRN_S3_DEPENDENCIES "find_dependency(OpenSSL)\n  find_dependency(pugixml)")
  string(APPEND CAIRN_PC_REQUIRES " libssl libcrypto pugixml")
endif()
set(CAIRN_POSTGRES_DEPENDENCY)
set(CAIRN_PC_LIBS)
if(TARGET cairn_postgres)
  set(CAIRN_POSTGRES_DEPENDENCY "libpq:libpq>=14")
  # By its library alone: what libpq.pc wants for linking statically comes with no shared libpq.
  set(CAIRN_PC_LIBS " -lpq")
  if(NOT TARGET cairn_s3)
    set(CAIRN_S3_DEPENDENCIES "find_dependency(OpenSSL)")
    string(APPEND CAIRN_PC_REQUIRES " libcrypto")
  endif()
endif()
configure_package_config_file(${PROJECT_SOURCE_DIR}/cmake/cairn-config.cmake.in
  ${PROJECT_BINARY_DIR}/cairn-config.cmake INSTALL_DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/cairn)
write_basic_package_version_file(${PROJECT_BINARY_DIR}/cairn-config-version.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/cairn-config.cmake ${PROJECT_BINARY_DIR}/cairn-config-version.cmake
  DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/cairn)

# pkg-config knows where cairn.pc lies; an absolute CMAKE_INSTALL_LIBDIR fixes the prefix.
set(CAIRN_PC_PREFIX ${CMAKE_INSTALL_PREFIX})
set(CAIRN_PC_LIBDIR ${CMAKE_INSTALL_FULL_LIBDIR})
set(CAIRN_PC_INCLUDEDIR ${CMAKE_INSTALL_FULL_INCLUDEDIR})
if(NOT IS_ABSOLUTE "${CMAKE_INSTALL_LIBDIR}")
  file(RELATIVE_PATH up "/${CMAKE_INSTALL_LIBDIR}/pkgconfig" /)
  set(CAIRN_PC_PREFIX "\${pcfiledir}/${up}")
  set(CAIRN_PC_LIBDIR "\${prefix}/${CMAKE_INSTALL_LIBDIR}")
endif()
if(NOT IS_ABSOLUTE "${CMAKE_INSTALL_INCLUDEDIR}")
  set(CAIRN_PC_INCLUDEDIR "\${prefix}/${CMAKE_INSTALL_INCLUDEDIR}")
endif()
configure_file(${PROJECT_SOURCE_DIR}/cmake/cairn.pc.in ${PROJECT_BINARY_DIR}/cairn.pc @ONLY)
install(FILES ${PROJECT_BINARY_DIR}/cairn.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)

if(CAIRN_BUILD_CLI)
  install(FILES ${PROJECT_SOURCE_DIR}/docs/man/cairn.1 DESTINATION ${CMAKE_INSTALL_MANDIR}/man1)
endif()

# CMake's toolchain file for aarch64: the cross compiler of Debian's g++-aarch64-linux-gnu, and the libraries that
# tools/aarch64_sysroot.sh fetched into GAMLP_SYSROOT.
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR aarch64)
set(CMAKE_C_COMPILER aarch64-linux-gnu-gcc)
set(CMAKE_CXX_COMPILER aarch64-linux-gnu-g++)
set(GAMLP_NATIVE OFF CACHE BOOL "-march=native would mean the machine that compiles")

set(GAMLP_SYSROOT "${CMAKE_SOURCE_DIR}/build-aarch64-sysroot" CACHE PATH "Folder that tools/aarch64_sysroot.sh filled")
list(APPEND CMAKE_TRY_COMPILE_PLATFORM_VARIABLES GAMLP_SYSROOT)
if(NOT EXISTS ${GAMLP_SYSROOT}/packages.txt)
  message(FATAL_ERROR "${GAMLP_SYSROOT} holds no libraries for aarch64: run tools/aarch64_sysroot.sh ${GAMLP_SYSROOT}")
endif()
set(libraries ${GAMLP_SYSROOT}/usr/lib/aarch64-linux-gnu)
# Not --sysroot: libstdc++ and the C library's headers are the compiler's own.
set(CMAKE_FIND_ROOT_PATH ${GAMLP_SYSROOT})
set(CMAKE_LIBRARY_ARCHITECTURE aarch64-linux-gnu)
set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
set(CMAKE_FIND_ROOT_PATH_MODE_LIBRARY ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_INCLUDE ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_PACKAGE ONLY)
set(CMAKE_EXE_LINKER_FLAGS_INIT "-Wl,-rpath-link,${libraries}")
set(CMAKE_SKIP_RPATH ON)  # the other machine has its libraries elsewhere
set(ENV{PKG_CONFIG_SYSROOT_DIR} ${GAMLP_SYSROOT})
set(ENV{PKG_CONFIG_LIBDIR} ${libraries}/pkgconfig:${GAMLP_SYSROOT}/usr/share/pkgconfig)

find_program(GAMLP_QEMU qemu-aarch64)
if(GAMLP_QEMU)
  set(CMAKE_CROSSCOMPILING_EMULATOR ${GAMLP_QEMU} -L ${GAMLP_SYSROOT})
endif()

# What the compiler and the linker can do against an attacker: the flags that dpkg-buildflags gives to
# a package with `hardening=+all`, so that the release preset and the package are alike, and what the
# compiler has beyond them. tests/package/check_hardening.sh looks whether they reached the programs.
option(FLOWRELAY_HARDENING "Stack protector, fortified libc, CET, PIE, full RELRO" OFF)

if(FLOWRELAY_HARDENING)
  include(CheckCXXCompilerFlag)
  # All libraries here are parts of programs: compiled alike, they can share precompiled headers.
  add_compile_options($<$<NOT:$<STREQUAL:$<TARGET_PROPERTY:TYPE>,MODULE_LIBRARY>>:-fPIE>)
  foreach(flag -fstack-protector-strong -fstack-clash-protection -fcf-protection)
    string(MAKE_C_IDENTIFIER "FLOWRELAY_HAS${flag}" has)
    check_cxx_compiler_flag(${flag} ${has})  # the last is for x86 alone
    if(${has})
      add_compile_options(${flag})
    endif()
  endforeach()
  add_compile_options(-Wformat -Werror=format-security -U_FORTIFY_SOURCE)
  # It needs an optimizer, and says so in each file where there is none.
  add_compile_options($<$<NOT:$<CONFIG:Debug>>:-D_FORTIFY_SOURCE=2>)
  add_link_options(-pie -Wl,-z,relro -Wl,-z,now)
endif()

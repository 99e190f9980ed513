# The compiler options of the project, and its layers as libraries.

add_library(flowrelay_options INTERFACE)
target_include_directories(flowrelay_options INTERFACE ${PROJECT_SOURCE_DIR}/include)
target_compile_options(flowrelay_options INTERFACE
  -Wall -Wextra -Wpedantic -Wconversion
  # Tests that are joined into one hide each other's short names.
  $<$<NOT:$<BOOL:$<TARGET_PROPERTY:FLOWRELAY_MAY_SHADOW>>>:-Wshadow>
  # std::stable_sort of libstdc++ 12 calls a function that is deprecated there.
  $<$<CXX_COMPILER_ID:Clang>:-Wno-deprecated-declarations>
  # Joined into one, a source file looks like a header to this check.
  $<$<AND:$<BOOL:${CMAKE_UNITY_BUILD}>,$<CXX_COMPILER_ID:GNU>>:-Wno-subobject-linkage>
  # A precompiled header from ccache is as good as one that was compiled just now.
  "$<$<CXX_COMPILER_ID:Clang>:SHELL:-Xclang -fno-pch-timestamp>"
  # Collecting garbage from 128 MB on costs a sixth of the time and saves a tenth of the memory.
  $<$<CXX_COMPILER_ID:GNU>:--param=ggc-min-heapsize=500000>
  $<$<BOOL:${FLOWRELAY_WERROR}>:-Werror>)
if(FLOWRELAY_SANITIZE)
  target_compile_options(flowrelay_options INTERFACE
    -fsanitize=${FLOWRELAY_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=all
    # g++ 12 takes what the sanitizer adds for uses of what was never set; without it nothing is found.
    $<$<CXX_COMPILER_ID:GNU>:-Wno-maybe-uninitialized -Wno-mismatched-new-delete>)
  # The check of virtual calls asks the system about memory in a way that looks like a race.
  if(FLOWRELAY_SANITIZE MATCHES "thread.*undefined")
    target_compile_options(flowrelay_options INTERFACE -fno-sanitize=vptr)
  endif()
  target_link_options(flowrelay_options INTERFACE -fsanitize=${FLOWRELAY_SANITIZE})
endif()

# flowrelay_layer(NAME SOURCES ... USES ...): the static library flowrelay_NAME. A layer may use
# only what it names here, so a cycle does not link.
function(flowrelay_layer name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "" "SOURCES;USES")
  add_library(flowrelay_${name} STATIC ${arg_SOURCES})
  target_link_libraries(flowrelay_${name} PUBLIC flowrelay_options ${arg_USES})
endfunction()

add_custom_target(unit_tests)  # all that follow

# flowrelay_unit_test(LAYER SOURCES ... [USES ...]): one test program for a layer. Its own code is
# not optimised: compiling it takes half of the time then, and what it tests is fast all the same.
function(flowrelay_unit_test layer)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "" "SOURCES;USES")
  add_executable(unit_${layer} ${arg_SOURCES})
  target_link_libraries(unit_${layer} PRIVATE flowrelay_${layer} GTest::gtest_main GTest::gmock ${arg_USES})
  target_include_directories(unit_${layer} PRIVATE ${PROJECT_SOURCE_DIR}/tests)
  target_compile_options(unit_${layer} PRIVATE -O0)
  add_dependencies(unit_tests unit_${layer})
  set_target_properties(unit_${layer} PROPERTIES FLOWRELAY_MAY_SHADOW "${CMAKE_UNITY_BUILD}")
  add_test(NAME unit.${layer} COMMAND unit_${layer})
  set_tests_properties(unit.${layer} PROPERTIES LABELS unit TIMEOUT 120 PROCESSORS ${flowrelay_processor})
  if(FLOWRELAY_SANITIZE)  # ten times slower: fewer random lives, more patience
    set_tests_properties(unit.${layer} PROPERTIES TIMEOUT 400 ENVIRONMENT FLOWRELAY_SEEDS=100)
  endif()
endfunction()

# weft_module(NAME [DEPS module...] [LIBS target...])
#   Library weft_NAME from src/NAME/*.cc; its tests (*_test.cc) become one executable NAME_test.
#   DEPS are modules of lower rows; LIBS are third-party targets that stay private to the .cc files.
function(weft_module name)
  cmake_parse_arguments(ARG "" "" "DEPS;LIBS;TEST_LIBS" ${ARGN})
  file(GLOB sources CONFIGURE_DEPENDS "${CMAKE_CURRENT_SOURCE_DIR}/${name}/*.cc")
  set(tests ${sources})
  list(FILTER sources EXCLUDE REGEX "_test\\.cc$")
  list(FILTER tests INCLUDE REGEX "_test\\.cc$")
  list(TRANSFORM ARG_DEPS PREPEND "weft_" OUTPUT_VARIABLE deps)

  if(sources)
    add_library(weft_${name} STATIC ${sources})
    target_include_directories(weft_${name} PUBLIC "${CMAKE_SOURCE_DIR}/src")
    target_link_libraries(weft_${name} PUBLIC ${deps} PRIVATE ${ARG_LIBS})
  else()
    add_library(weft_${name} INTERFACE)
    target_include_directories(weft_${name} INTERFACE "${CMAKE_SOURCE_DIR}/src")
    target_link_libraries(weft_${name} INTERFACE ${deps})
  endif()

  if(tests)
    add_executable(${name}_test ${tests})
    target_link_libraries(${name}_test PRIVATE weft_${name} ${ARG_LIBS} ${ARG_TEST_LIBS} GTest::gtest
                          GTest::gmock GTest::gtest_main Threads::Threads)
    target_compile_definitions(${name}_test PRIVATE WEFT_SUITES_DIR="${WEFT_SUITES_DIR}"
                               WEFT_SOURCE_DIR="${CMAKE_SOURCE_DIR}")
    gtest_discover_tests(${name}_test DISCOVERY_MODE PRE_TEST PROPERTIES TIMEOUT 120)
  endif()
endfunction()

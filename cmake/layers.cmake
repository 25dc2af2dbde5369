# One target per folder. A layer sees the public headers, itself and what it names.

add_library(cairn_flags INTERFACE)
target_compile_options(cairn_flags INTERFACE -Wall -Wextra -Wpedantic -Wshadow -Wnon-virtual-dtor
  $<$<CXX_COMPILER_ID:GNU>:-Wno-missing-field-initializers>
  $<$<CXX_COMPILER_ID:Clang>:-Wno-missing-field-initializers>)
if(CAIRN_WERROR)
  target_compile_options(cairn_flags INTERFACE -Werror)
endif()
if(CAIRN_SANITIZE)
  target_compile_options(cairn_flags INTERFACE -fsanitize=${CAIRN_SANITIZE} -fno-omit-frame-pointer
    -fno-sanitize-recover=all)
  target_link_options(cairn_flags INTERFACE -fsanitize=${CAIRN_SANITIZE})
endif()
if(CAIRN_FUZZ)
  target_compile_options(cairn_flags INTERFACE -fsanitize=fuzzer-no-link)
endif()
target_include_directories(cairn_flags INTERFACE ${PROJECT_SOURCE_DIR} ${PROJECT_SOURCE_DIR}/api/include)

# cairn_layer(NAME [FOLDER f] [LAYERS other...] [LIBRARIES private...]): static library
# cairn_NAME of the *.cc in this or the given folder.
function(cairn_layer name)
  cmake_parse_arguments(arg "" "FOLDER" "LAYERS;LIBRARIES" ${ARGN})
  if(NOT arg_FOLDER)
    set(arg_FOLDER ${name})
  endif()
  file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/${arg_FOLDER}/*.cc)
  add_library(cairn_${name} STATIC ${sources})
  set_target_properties(cairn_${name} PROPERTIES LINKER_LANGUAGE CXX)
  list(TRANSFORM arg_LAYERS PREPEND cairn_)
  target_link_libraries(cairn_${name} PUBLIC ${arg_LAYERS} PRIVATE cairn_flags ${arg_LIBRARIES})
  set_property(GLOBAL APPEND PROPERTY CAIRN_LAYERS cairn_${name})
endfunction()

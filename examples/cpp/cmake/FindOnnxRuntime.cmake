# ONNX Runtime: a release of it unpacked anywhere (include/ and lib/), or the system's own.
set(ONNXRUNTIME_ROOT "" CACHE PATH "folder with ONNX Runtime's include/ and lib/")
find_path(ONNXRUNTIME_INCLUDE onnxruntime_cxx_api.h
  HINTS ${ONNXRUNTIME_ROOT}/include PATH_SUFFIXES onnxruntime)
find_library(ONNXRUNTIME_LIBRARY NAMES onnxruntime libonnxruntime.so.1
  HINTS ${ONNXRUNTIME_ROOT}/lib)
if(ONNXRUNTIME_INCLUDE AND ONNXRUNTIME_LIBRARY)
  set(OnnxRuntime_FOUND TRUE)
  if(NOT TARGET OnnxRuntime::OnnxRuntime)
    add_library(OnnxRuntime::OnnxRuntime UNKNOWN IMPORTED)
    set_target_properties(OnnxRuntime::OnnxRuntime PROPERTIES
      IMPORTED_LOCATION ${ONNXRUNTIME_LIBRARY} INTERFACE_INCLUDE_DIRECTORIES ${ONNXRUNTIME_INCLUDE})
  endif()
endif()

# find_package(edgeface): the target edgeface::edgeface.
include(CMakeFindDependencyMacro)
list(INSERT CMAKE_MODULE_PATH 0 ${CMAKE_CURRENT_LIST_DIR})
find_dependency(OnnxRuntime MODULE)
list(REMOVE_AT CMAKE_MODULE_PATH 0)
include(${CMAKE_CURRENT_LIST_DIR}/edgefaceTargets.cmake)

// Handles by which a test makes the stand-in runtime of a loaded module fail.
#include <cuda_runtime.h>

// Lets `calls` calls of the runtime pass and fails all after them with `error`; a negative number: none fails.
extern "C" void CudaOnHostFailAfter(int64_t calls, int error) {
  cuda_on_host::FailAfter(calls, static_cast<cudaError_t>(error));
}
extern "C" void CudaOnHostDevices(int devices) { cuda_on_host::PlantedFailure().devices = devices; }

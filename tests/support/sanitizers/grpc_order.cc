// Tells ThreadSanitizer that what a thread hands to gRPC happens before what gRPC hands back later, to whichever
// thread. Debian's gRPC is built without it: the locks and atomics inside are not seen, and a message that one thread
// of a test sends and another receives would look like a race. These definitions, in the program itself, stand before
// those of libgrpc.so; each calls the one it hides.
#include <dlfcn.h>
#include <grpc/grpc.h>
#include <sanitizer/tsan_interface.h>

#include "core/check.h"

namespace {

template <typename Function>
Function* Hidden(Function*, const char* name) {
  void* found = dlsym(RTLD_NEXT, name);
  SUB1QUANT_CHECK(found != nullptr);
  return reinterpret_cast<Function*>(found);
}

// One for all calls: which ends of a socket belong together is not known here.
char calls;

}  // namespace

extern "C" grpc_call_error grpc_call_start_batch(grpc_call* call, const grpc_op* operations, size_t count, void* tag,
                                                 void* reserved) {
  static const auto hidden = Hidden(grpc_call_start_batch, "grpc_call_start_batch");
  __tsan_release(&calls);
  return hidden(call, operations, count, tag, reserved);
}

extern "C" grpc_event grpc_completion_queue_next(grpc_completion_queue* queue, gpr_timespec deadline, void* reserved) {
  static const auto hidden = Hidden(grpc_completion_queue_next, "grpc_completion_queue_next");
  const grpc_event event = hidden(queue, deadline, reserved);
  __tsan_acquire(&calls);
  return event;
}

extern "C" grpc_event grpc_completion_queue_pluck(grpc_completion_queue* queue, void* tag, gpr_timespec deadline,
                                                  void* reserved) {
  static const auto hidden = Hidden(grpc_completion_queue_pluck, "grpc_completion_queue_pluck");
  const grpc_event event = hidden(queue, tag, deadline, reserved);
  __tsan_acquire(&calls);
  return event;
}

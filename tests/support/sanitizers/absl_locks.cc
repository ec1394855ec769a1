// Tells ThreadSanitizer of the locks inside Debian's gRPC, which is built without it: gRPC's mutexes and condition
// variables are abseil's, made of atomics that ThreadSanitizer does not see, so everything that one thread hands
// another through gRPC would look like a race. These definitions, in the program itself, stand before those of
// libabsl_synchronization.so; each calls the one it hides.
#include <dlfcn.h>
#include <sanitizer/tsan_interface.h>

#include "absl/synchronization/mutex.h"
#include "core/check.h"

namespace absl {
namespace {

// A function of libabsl_synchronization.so by its mangled name; member functions take `this` first.
template <typename Function>
Function* Hidden(const char* name) {
  void* found = dlsym(RTLD_NEXT, name);
  SUB1QUANT_CHECK(found != nullptr);  // the names hold Debian 12's inline namespace, debian3
  return reinterpret_cast<Function*>(found);
}

}  // namespace

void Mutex::Lock() {
  static const auto hidden = Hidden<void(Mutex*)>("_ZN4absl7debian35Mutex4LockEv");
  hidden(this);
  __tsan_acquire(this);
}

bool Mutex::TryLock() {
  static const auto hidden = Hidden<bool(Mutex*)>("_ZN4absl7debian35Mutex7TryLockEv");
  const bool locked = hidden(this);
  if (locked) __tsan_acquire(this);
  return locked;
}

void Mutex::Unlock() {
  static const auto hidden = Hidden<void(Mutex*)>("_ZN4absl7debian35Mutex6UnlockEv");
  __tsan_release(this);
  hidden(this);
}

void CondVar::Wait(Mutex* mutex) {
  static const auto hidden = Hidden<void(CondVar*, Mutex*)>("_ZN4absl7debian37CondVar4WaitEPNS0_5MutexE");
  __tsan_release(mutex);
  hidden(this, mutex);
  __tsan_acquire(mutex);
}

bool CondVar::WaitWithTimeout(Mutex* mutex, Duration timeout) {
  static const auto hidden =
      Hidden<bool(CondVar*, Mutex*, Duration)>("_ZN4absl7debian37CondVar15WaitWithTimeoutEPNS0_5MutexENS0_8DurationE");
  __tsan_release(mutex);
  const bool timed_out = hidden(this, mutex, timeout);
  __tsan_acquire(mutex);
  return timed_out;
}

bool CondVar::WaitWithDeadline(Mutex* mutex, Time deadline) {
  static const auto hidden =
      Hidden<bool(CondVar*, Mutex*, Time)>("_ZN4absl7debian37CondVar16WaitWithDeadlineEPNS0_5MutexENS0_4TimeE");
  __tsan_release(mutex);
  const bool timed_out = hidden(this, mutex, deadline);
  __tsan_acquire(mutex);
  return timed_out;
}

}  // namespace absl

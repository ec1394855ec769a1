// A device of streams that exists in the books only: code that asks LibTorch for streams and events of kCheckedDevice,
// while its tensors are the CPU's, has every read and write of memory checked for an order that the device would keep.
//
// The books are kept where LibTorch itself looks: a DeviceGuardImpl is registered for the device (streams, events), a
// callback sees every operator with its tensors, and an allocator hands out CPU memory as the caching allocator of a
// device does: from the pool of the current stream, at once again after it was freed there unless other streams were
// named for it. Each stream has a vector clock (Lamport's happened-before); two uses of one block of memory, one of
// them a write, must be ordered by events. That the host waits counts for nothing: order must come from the streams.
#pragma once

#include <c10/core/Device.h>
#include <c10/core/Stream.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace sub1quant::testing {

inline const c10::Device kCheckedDevice(c10::DeviceType::PrivateUse1, 0);

// What goes wrong between the code and the device, as if the code had a bug. Stream 0 computes, others copy.
enum class StreamBug {
  kNone,
  kFilledWaitForgotten,  // no stream that computes waits
  kUsedWaitForgotten,    // no stream that copies waits
  kFilledRecordedEarly,  // before the copies that followed the last wait
  kUsedRecordedEarly,    // before the kernels that followed the last wait
  kFilledOnWrongStream,  // recorded by the stream that computes
  kUsedOnWrongStream,    // recorded by a stream that copies
  kUseNotNamed,          // the allocator does not hear of the other stream
  kGuardForgotten,       // no thread makes the stream of copies its current one
};
std::string NameOf(StreamBug bug);

// Between its construction and its end everything is checked that this process does with LibTorch. One at a time.
class StreamChecker {
 public:
  struct Options {
    StreamBug bug = StreamBug::kNone;
    // Bytes that HostWrote has announced on a stream of copies arrive when another stream or the host waits for them,
    // and not before; until then there is no number in their place.
    bool copy_late = false;
  };
  explicit StreamChecker(Options options);
  ~StreamChecker();
  StreamChecker(const StreamChecker&) = delete;
  StreamChecker& operator=(const StreamChecker&) = delete;

  // `size` bytes at `data` were just written by code other than LibTorch's, in place of a copy in the current stream.
  static void HostWrote(void* data, size_t size);

  // One line a race, the first of each pair of operators.
  const std::vector<std::string>& races() const;
  struct Written {
    uint64_t by_copies = 0, by_compute = 0;  // bytes that HostWrote was told of, by the kind of the current stream
    uint64_t beside_kernels = 0;             // of those by copies: unordered with kernels given to the device before
  };
  Written written() const;
};

// How often code has asked for kCheckedDevice's streams since the process began.
uint64_t StreamCalls();

}  // namespace sub1quant::testing

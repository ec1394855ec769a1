#include "core/digest_pool.h"

#include <algorithm>
#include <array>

#include "core/digest.h"

namespace sub1quant {
namespace {

// Between two looks at who else waits.
constexpr size_t kStepBlocks = (size_t{1} << 20) / kSha256BlockBytes;

}  // namespace

std::string DigestPool::Sha256(const void* data, size_t size) {
  if (!HasSha256Streams()) {
    const ThreadBudget::Grant grant = budget_.Take(1);
    return Sha256Hex(data, size);
  }
  Request mine;
  mine.data = static_cast<const uint8_t*>(data);
  mine.blocks = size / kSha256BlockBytes;
  if (mine.blocks > 0) {
    std::unique_lock<std::mutex> lock(mutex_);
    requests_.push_back(&mine);
    while (mine.blocks > 0) {
      if (mine.taken || !MayLead()) {
        changed_.wait(lock);
      } else {
        Lead(mine, lock);
      }
    }
  }
  return FinishSha256(mine.stream, mine.data, size % kSha256BlockBytes);
}

// One hashes; another one too once there is enough for both.
bool DigestPool::MayLead() const {
  const auto idle = std::count_if(requests_.begin(), requests_.end(), [](const Request* r) { return !r->taken; });
  return leaders_ == 0 || idle >= kSha256Streams;
}

void DigestPool::Lead(Request& mine, std::unique_lock<std::mutex>& lock) {
  ++leaders_;
  mine.taken = true;
  lock.unlock();
  const ThreadBudget::Grant grant = budget_.Take(1);
  lock.lock();
  while (mine.blocks > 0) {
    std::array<Request*, kSha256Streams> together{&mine};
    size_t count = 1, step = std::min(mine.blocks, kStepBlocks);
    for (Request* request : requests_) {
      if (request->taken || count == together.size()) continue;
      request->taken = true;
      step = std::min(step, request->blocks);
      together[count++] = request;
    }
    lock.unlock();
    std::array<Sha256Stream*, kSha256Streams> streams{};
    std::array<const uint8_t*, kSha256Streams> data{};
    for (size_t i = 0; i < count; ++i) {
      streams[i] = &together[i]->stream;
      data[i] = together[i]->data;
    }
    AddSha256Blocks(streams.data(), data.data(), static_cast<int>(count), step);
    lock.lock();
    for (size_t i = 0; i < count; ++i) {
      together[i]->data += step * kSha256BlockBytes;
      together[i]->blocks -= step;
      together[i]->taken = together[i] == &mine;
      if (together[i]->blocks == 0) std::erase(requests_, together[i]);
    }
    changed_.notify_all();
  }
  --leaders_;
  changed_.notify_all();
}

}  // namespace sub1quant

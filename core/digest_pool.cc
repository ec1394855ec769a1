#include "core/digest_pool.h"

#include <algorithm>
#include <array>

namespace sub1quant {
namespace {

// Between two looks at who else waits.
constexpr size_t kStepBlocks = (size_t{1} << 20) / kSha256BlockBytes;

}  // namespace

std::string DigestPool::Sha256(const std::vector<ByteSpan>& parts) {
  if (!HasSha256Streams()) {
    const auto hash = [&](int) {
      class Sha256 whole;
      for (const ByteSpan& part : parts) whole.Update(part.data, part.size);
      return whole.HexDigest();
    };
    return cpu_.Run(hash, 1);
  }
  Request mine;
  std::array<uint8_t, kSha256BlockBytes> rest{};  // what does not fill a block yet
  size_t rest_size = 0;
  for (const ByteSpan& part : parts) {
    const auto* data = static_cast<const uint8_t*>(part.data);
    const size_t fill = rest_size == 0 ? 0 : std::min(part.size, rest.size() - rest_size);
    std::copy_n(data, fill, rest.begin() + static_cast<ptrdiff_t>(rest_size));
    rest_size += fill;
    if (rest_size == rest.size()) {
      mine.data = rest.data();
      mine.blocks = 1;
      Hash(mine);
      rest_size = 0;
    }
    if (rest_size > 0) continue;
    mine.data = data + fill;
    mine.blocks = (part.size - fill) / kSha256BlockBytes;
    Hash(mine);
    rest_size = (part.size - fill) % kSha256BlockBytes;
    std::copy_n(mine.data, rest_size, rest.begin());
  }
  return FinishSha256(mine.stream, rest.data(), rest_size);
}

void DigestPool::Hash(Request& mine) {
  if (mine.blocks == 0) return;
  std::unique_lock<std::mutex> lock(mutex_);
  mine.taken = false;
  requests_.push_back(&mine);
  while (mine.blocks > 0) {
    if (mine.taken || !MayLead()) {
      changed_.wait(lock);
      continue;
    }
    ++leaders_;
    mine.taken = true;
    lock.unlock();
    cpu_.Run([&](int) { Lead(mine); }, 1);
    lock.lock();
    --leaders_;
    changed_.notify_all();
  }
}

// One hashes; another one too once there is enough for both.
bool DigestPool::MayLead() const {
  const auto idle = std::count_if(requests_.begin(), requests_.end(), [](const Request* r) { return !r->taken; });
  return leaders_ == 0 || idle >= kSha256Streams;
}

void DigestPool::Lead(Request& mine) {
  std::unique_lock<std::mutex> lock(mutex_);
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
}

}  // namespace sub1quant

#include "worker/executors/choice_cache.h"

#include <utility>

namespace sub1quant {

ChoiceCache::Key ChoiceCache::KeyOf(const std::string& tensor_sha256, const MatrixView& matrix, int group_size,
                                    const Codec& codec) {
  return {tensor_sha256, matrix.dtype, matrix.rows, matrix.cols, group_size, codec.method(), codec.version()};
}

void ChoiceCache::Keep(const std::string& tensor_sha256, const MatrixView& matrix, int group_size, const Codec& codec,
                       KeptChoices choices) {
  const uint64_t size = choices.bytes.size();
  if (size == 0 || size > max_bytes_) return;
  Key key = KeyOf(tensor_sha256, matrix, group_size, codec);
  const std::lock_guard<std::mutex> lock(mutex_);
  if (!kept_.emplace(key, std::make_shared<const KeptChoices>(std::move(choices))).second) return;
  order_.push_back(std::move(key));
  for (bytes_ += size; bytes_ > max_bytes_; order_.pop_front()) {
    const auto oldest = kept_.find(order_.front());
    bytes_ -= oldest->second->bytes.size();
    kept_.erase(oldest);
  }
}

std::shared_ptr<const KeptChoices> ChoiceCache::Find(const std::string& tensor_sha256, const MatrixView& matrix,
                                                     int group_size, const Codec& codec) const {
  const std::lock_guard<std::mutex> lock(mutex_);
  const auto found = kept_.find(KeyOf(tensor_sha256, matrix, group_size, codec));
  return found == kept_.end() ? nullptr : found->second;
}

uint64_t ChoiceCache::bytes() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return bytes_;
}

}  // namespace sub1quant

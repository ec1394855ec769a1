// What searches kept for packing (KeptChoices), as long as there is room: pack need not search again what the same
// worker has searched. A miss costs time only.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <tuple>

#include "quant/codec/codec.h"

namespace sub1quant {

// Thread-safe.
class ChoiceCache {
 public:
  // The oldest are dropped beyond `max_bytes`.
  explicit ChoiceCache(uint64_t max_bytes) : max_bytes_(max_bytes) {}

  // `tensor_sha256` and the shape stand for the matrix. Nothing is kept where there was nothing to choose.
  void Keep(const std::string& tensor_sha256, const MatrixView& matrix, int group_size, const Codec& codec,
            KeptChoices choices);
  // nullptr if there are none.
  std::shared_ptr<const KeptChoices> Find(const std::string& tensor_sha256, const MatrixView& matrix, int group_size,
                                          const Codec& codec) const;
  uint64_t bytes() const;

 private:
  // Digest, type, rows, columns, group size, method, version of its codec.
  using Key = std::tuple<std::string, DType, int64_t, int64_t, int, std::string, int>;
  static Key KeyOf(const std::string& tensor_sha256, const MatrixView& matrix, int group_size, const Codec& codec);

  const uint64_t max_bytes_;
  mutable std::mutex mutex_;
  std::map<Key, std::shared_ptr<const KeptChoices>> kept_;  // guarded by mutex_, as what follows
  std::deque<Key> order_;                                   // oldest first
  uint64_t bytes_ = 0;
};

}  // namespace sub1quant

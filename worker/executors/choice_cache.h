// What searches of this process kept (quant/codec/codec.h), for the packing that follows: one to two bytes a group
// instead of a second search. Bounded; what was used longest ago goes first. A packing that finds nothing here searches.
#pragma once

#include <cstdint>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "quant/codec/codec.h"

namespace sub1quant {

// Thread-safe.
class ChoiceCache {
 public:
  explicit ChoiceCache(size_t max_bytes) : max_bytes_(max_bytes) {}

  // `tensor_sha256` of the matrix that was searched. Empty choices are not kept.
  void Keep(const std::string& tensor_sha256, const Codec& codec, int group_size, KeptChoices choices);
  // nullptr if they are not there (any more).
  std::shared_ptr<const KeptChoices> Find(const std::string& tensor_sha256, const Codec& codec, int group_size);

 private:
  struct Entry {
    std::string key;
    std::shared_ptr<const KeptChoices> choices;
  };

  const size_t max_bytes_;
  std::mutex mutex_;
  size_t bytes_ = 0;          // all guarded by mutex_
  std::list<Entry> entries_;  // used last first
  std::map<std::string, std::list<Entry>::iterator> places_;
};

}  // namespace sub1quant

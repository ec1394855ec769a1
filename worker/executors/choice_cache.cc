#include "worker/executors/choice_cache.h"

#include <utility>

#include "absl/strings/str_cat.h"

namespace sub1quant {
namespace {

std::string KeyOf(const std::string& tensor_sha256, const Codec& codec, int group_size) {
  return absl::StrCat(tensor_sha256, " ", codec.method(), " ", codec.version(), " ", group_size);
}

}  // namespace

void ChoiceCache::Keep(const std::string& tensor_sha256, const Codec& codec, int group_size, KeptChoices choices) {
  if (choices.bytes.empty() || choices.bytes.size() > max_bytes_) return;
  const std::lock_guard<std::mutex> lock(mutex_);
  const std::string key = KeyOf(tensor_sha256, codec, group_size);
  if (places_.count(key) != 0) return;
  bytes_ += choices.bytes.size();
  entries_.push_front({key, std::make_shared<const KeptChoices>(std::move(choices))});
  places_[key] = entries_.begin();
  while (bytes_ > max_bytes_) {
    bytes_ -= entries_.back().choices->bytes.size();
    places_.erase(entries_.back().key);
    entries_.pop_back();
  }
}

std::shared_ptr<const KeptChoices> ChoiceCache::Find(const std::string& tensor_sha256, const Codec& codec,
                                                     int group_size) {
  const std::lock_guard<std::mutex> lock(mutex_);
  const auto found = places_.find(KeyOf(tensor_sha256, codec, group_size));
  if (found == places_.end()) return nullptr;
  entries_.splice(entries_.begin(), entries_, found->second);
  return found->second->choices;
}

}  // namespace sub1quant

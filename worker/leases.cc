#include "worker/leases.h"

#include <algorithm>

namespace sub1quant {

void LeaseTable::Extend(Entry& entry, SteadyTime sent, std::chrono::milliseconds ttl) {
  entry.ttl = ttl;
  entry.renew_at = sent + ttl / 3;
  entry.ends_at = sent + 2 * ttl;
}

std::shared_ptr<TaskContext> LeaseTable::Add(const std::string& id, SteadyTime sent, std::chrono::milliseconds ttl) {
  std::lock_guard<std::mutex> lock(mutex_);
  Entry& entry = entries_[id];
  Extend(entry, sent, ttl);
  entry.context = std::make_shared<TaskContext>();
  return entry.context;
}

void LeaseTable::Remove(const std::string& id) {
  std::lock_guard<std::mutex> lock(mutex_);
  entries_.erase(id);
}

int LeaseTable::Renewed(const std::vector<Coordinator::Held>& asked, SteadyTime sent,
                        const Coordinator::Renewal& renewal) {
  std::lock_guard<std::mutex> lock(mutex_);
  int lost = 0;
  for (const Coordinator::Held& held : asked) {
    const auto entry = entries_.find(held.lease_id);
    if (entry == entries_.end()) continue;  // completed meanwhile
    if (std::find(renewal.lost.begin(), renewal.lost.end(), held.lease_id) == renewal.lost.end()) {
      Extend(entry->second, sent, renewal.ttl);
      continue;
    }
    entry->second.context->Cancel();
    entries_.erase(entry);
    ++lost;
  }
  return lost;
}

void LeaseTable::RenewFailed(SteadyTime now) {
  std::lock_guard<std::mutex> lock(mutex_);
  for (auto& [id, entry] : entries_) {
    if (entry.renew_at <= now) entry.renew_at = now + std::min(entry.ttl / 12, std::chrono::milliseconds(2'000));
  }
}

int LeaseTable::Expire(SteadyTime now) {
  std::lock_guard<std::mutex> lock(mutex_);
  return static_cast<int>(std::erase_if(entries_, [now](const auto& item) {
    if (item.second.ends_at > now) return false;
    item.second.context->Cancel();
    return true;
  }));
}

void LeaseTable::CancelAll() {
  std::lock_guard<std::mutex> lock(mutex_);
  for (auto& [id, entry] : entries_) entry.context->Cancel();
  entries_.clear();
}

bool LeaseTable::Alive(const std::string& id) const {
  std::lock_guard<std::mutex> lock(mutex_);
  return entries_.count(id) > 0;
}

std::vector<Coordinator::Held> LeaseTable::Holding() const {
  std::lock_guard<std::mutex> lock(mutex_);
  std::vector<Coordinator::Held> held;
  for (const auto& [id, entry] : entries_) held.push_back({id, entry.context->progress()});
  return held;
}

std::optional<SteadyTime> LeaseTable::NextRenewal() const {
  std::lock_guard<std::mutex> lock(mutex_);
  std::optional<SteadyTime> next;
  for (const auto& [id, entry] : entries_) {
    if (!next || entry.renew_at < *next) next = entry.renew_at;
  }
  return next;
}

std::chrono::milliseconds LeaseTable::ShortestTtl() const {
  std::lock_guard<std::mutex> lock(mutex_);
  std::chrono::milliseconds shortest{30'000};
  for (const auto& [id, entry] : entries_) shortest = std::min(shortest, entry.ttl);
  return shortest;
}

}  // namespace sub1quant

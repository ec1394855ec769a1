#include "worker/lanes.h"

#include <algorithm>
#include <utility>

namespace sub1quant {
namespace {

constexpr int kMostComputing = 8, kWaiting = 3;

}  // namespace

int LaneCount(int threads) { return std::min(threads, kMostComputing) + kWaiting; }

bool Lanes::Job::Withdraw() {
  State waiting = State::kWaiting;
  return state_.compare_exchange_strong(waiting, State::kWithdrawn) || waiting == State::kWithdrawn;
}

bool Lanes::Job::Claim() {
  State waiting = State::kWaiting;
  return state_.compare_exchange_strong(waiting, State::kBegun);
}

Lanes::Lanes(int width) : width_(width) {
  if (width < 2) return;
  for (int i = 0; i < width; ++i) threads_.emplace_back([this] { Serve(); });
}

Lanes::~Lanes() {
  Close();
  for (std::thread& thread : threads_) thread.join();
}

void Lanes::Close() {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    closed_ = true;
  }
  changed_.notify_all();
}

std::shared_ptr<Lanes::Job> Lanes::Begin(std::function<void()> body) {
  auto job = std::make_shared<Job>(std::move(body));
  if (threads_.empty()) return job;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    waiting_.push_back(job);
  }
  changed_.notify_all();
  return job;
}

void Lanes::Wait(Job& job) {
  if (threads_.empty()) {
    if (!job.Claim()) return;
    job.body_();
    job.state_ = Job::State::kDone;
    return;
  }
  std::unique_lock<std::mutex> lock(mutex_);
  changed_.wait(lock, [&] {
    const Job::State state = job.state_;
    return state == Job::State::kDone || state == Job::State::kWithdrawn || (closed_ && state == Job::State::kWaiting);
  });
}

void Lanes::Serve() {
  std::unique_lock<std::mutex> lock(mutex_);
  while (true) {
    changed_.wait(lock, [this] { return closed_ || !waiting_.empty(); });
    if (closed_) return;
    const std::shared_ptr<Job> job = std::move(waiting_.front());
    waiting_.pop_front();
    if (!job->Claim()) continue;
    lock.unlock();
    job->body_();
    lock.lock();
    job->state_ = Job::State::kDone;
    changed_.notify_all();
  }
}

}  // namespace sub1quant

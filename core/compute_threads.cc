#include "core/compute_threads.h"

#include <algorithm>

#include "core/check.h"

namespace sub1quant {

ComputeThreads::ComputeThreads(int threads) : total_(std::max(1, threads)), free_(total_) {
  for (int i = 0; i < total_; ++i) threads_.emplace_back([this] { Serve(); });
}

ComputeThreads::~ComputeThreads() {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    SUB1QUANT_CHECK(waiting_.empty() && running_ == 0);
    closed_ = true;
  }
  changed_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

void ComputeThreads::RunPiece(const std::function<void(int)>& body, int most) {
  Piece piece{body, most, Heartbeat::OfThread(), false, {}};
  std::unique_lock<std::mutex> lock(mutex_);
  waiting_.push_back(&piece);
  changed_.notify_one();
  piece.finished.wait(lock, [&] { return piece.done; });
}

int ComputeThreads::Share(const Piece& piece) const {
  const int wanting = static_cast<int>(waiting_.size()) + running_;  // with this one
  return std::max(1, std::min({total_ / wanting, free_, piece.most}));
}

void ComputeThreads::Serve() {
  std::unique_lock<std::mutex> lock(mutex_);
  while (true) {
    changed_.wait(lock, [this] { return closed_ || (free_ > 0 && !waiting_.empty()); });
    if (closed_) return;
    Piece& piece = *waiting_.front();
    const int threads = Share(piece);
    waiting_.pop_front();
    free_ -= threads;
    ++running_;
    if (free_ > 0 && !waiting_.empty()) changed_.notify_one();
    lock.unlock();
    {
      const Heartbeat::Adopt adopt(piece.heartbeat);
      piece.body(threads);
    }
    lock.lock();
    free_ += threads;
    --running_;
    piece.done = true;
    piece.finished.notify_one();  // with the lock: afterwards the piece may be gone
  }
}

}  // namespace sub1quant

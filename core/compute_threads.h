// The threads of this process that compute. Work is handed to them and waited for: a thread that has done one piece
// goes on with the next, so that no core idles while another thread wakes up (a seventh of a search on two cores, when
// cores were handed over). Whoever waits for a disk or a server does so on a thread of its own.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <optional>
#include <thread>
#include <type_traits>
#include <vector>

#include "core/heartbeat.h"

namespace sub1quant {

// Thread-safe.
class ComputeThreads {
 public:
  static constexpr int kAll = 1 << 30;

  // At least one thread.
  explicit ComputeThreads(int threads);
  // Nobody waits for work of his any more.
  ~ComputeThreads();
  ComputeThreads(const ComputeThreads&) = delete;
  ComputeThreads& operator=(const ComputeThreads&) = delete;

  int threads() const { return total_; }

  // Calls body(threads) on one of them when its turn has come, first come first served, and returns what it returns.
  // `threads`: on how many it may compute, a fair share, at least one and at most `most`; all of them for who is alone.
  // Its signs of life are the caller's. Not to be called inside a body.
  template <class Body>
  auto Run(const Body& body, int most = kAll) {
    using Result = std::invoke_result_t<Body, int>;
    if constexpr (std::is_void_v<Result>) {
      RunPiece(body, most);
    } else {
      std::optional<Result> result;
      RunPiece([&](int threads) { result.emplace(body(threads)); }, most);
      return *std::move(result);
    }
  }

 private:
  struct Piece {
    const std::function<void(int)>& body;
    const int most;
    Heartbeat* const heartbeat;
    bool done = false;
    std::condition_variable finished;
  };
  void RunPiece(const std::function<void(int)>& body, int most);
  void Serve();
  int Share(const Piece& piece) const;

  const int total_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Piece*> waiting_;  // guarded by mutex_, as what follows
  int free_;
  int running_ = 0;  // pieces
  bool closed_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace sub1quant

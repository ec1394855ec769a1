#include "random_table.h"

#include <algorithm>
#include <cmath>
#include <optional>
#include <tuple>

namespace sub1quant::testing {
namespace {

int Below(std::mt19937_64& random, int n) { return static_cast<int>(random() % static_cast<uint64_t>(n)); }

}  // namespace

CandidateTable RandomTable(std::mt19937_64& random, int rows, int candidates) {
  CandidateTable table;
  const bool tied = Below(random, 3) == 0;
  for (int i = 0; i < rows; ++i) {
    TableRow row;
    row.index = i;
    row.key = "layer" + std::to_string(i);
    row.params = tied ? 256 : 256 * (1 + Below(random, 40));
    if (Below(random, 2) == 0) row.activation_weight = 0.25 * (1 + Below(random, 12));
    for (int j = 0; j < candidates; ++j) {
      Candidate candidate;
      candidate.method = std::string(1, static_cast<char>('a' + Below(random, 26))) + std::to_string(j);
      candidate.bpw = 2 + 0.125 * Below(random, 24);
      candidate.mse =
          tied ? 0.125 * Below(random, 8) : std::exp2(-2.0 * candidate.bpw) * (0.5 + 0.01 * Below(random, 100));
      row.candidates.push_back(candidate);
    }
    table.rows.push_back(row);
  }
  return table;
}

double RandomTarget(std::mt19937_64& random, const CandidateTable& table) {
  double least = 0, most = 0;
  int64_t params = 0;
  for (const TableRow& row : table.rows) {
    const auto [low, high] = std::minmax_element(row.candidates.begin(), row.candidates.end(),
                                                 [](const Candidate& a, const Candidate& b) { return a.bpw < b.bpw; });
    least += low->bpw * static_cast<double>(row.params);
    most += high->bpw * static_cast<double>(row.params);
    params += row.params;
  }
  const double share = 0.125 * Below(random, 9);
  return (least + share * (most - least)) / static_cast<double>(params);
}

std::vector<std::string> SlowGreedy(const CandidateTable& table, double target_bpw, double* total_bits) {
  struct Entry {
    double bpw, weighted_mse;
    std::string method;
    double bits, sse;
  };
  std::vector<std::vector<Entry>> rows;
  int64_t params = 0;
  double total = 0;
  for (const TableRow& row : table.rows) {
    std::vector<Entry> entries;
    const auto n = static_cast<double>(row.params);
    for (const Candidate& c : row.candidates)
      entries.push_back({c.bpw, c.mse * row.activation_weight, c.method, c.bpw * n, c.mse * row.activation_weight * n});
    std::sort(entries.begin(), entries.end(), [](const Entry& a, const Entry& b) {
      return std::tie(a.bpw, a.weighted_mse, a.method) < std::tie(b.bpw, b.weighted_mse, b.method);
    });
    total += entries[0].bits;
    params += row.params;
    rows.push_back(entries);
  }
  const double limit = target_bpw * static_cast<double>(params) + 1e-9;
  if (total > limit) return {};
  std::vector<int> current(rows.size(), 0);
  using Order = std::tuple<double, double, double, int, int>;
  for (std::optional<Order> best;; best.reset()) {
    for (int i = 0; i < static_cast<int>(rows.size()); ++i) {
      for (int j = 0; j < static_cast<int>(rows[i].size()); ++j) {
        const Entry& now = rows[i][current[i]];
        const double extra = rows[i][j].bits - now.bits, reduction = now.sse - rows[i][j].sse;
        if (extra <= 0 || reduction <= 0 || total + extra > limit) continue;
        const Order order{reduction / extra, reduction, -extra, i, j};
        if (!best || *best < order) best = order;
      }
    }
    if (!best) break;
    total -= std::get<2>(*best);
    current[std::get<3>(*best)] = std::get<4>(*best);
  }
  std::vector<std::string> methods;
  for (size_t i = 0; i < rows.size(); ++i) methods.push_back(rows[i][current[i]].method);
  *total_bits = total;
  return methods;
}

}  // namespace sub1quant::testing

#include "quant/eval/torch/head_loss.h"

#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/where.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <vector>

#include "quant/eval/torch/linear.h"

namespace sub1quant {
namespace {

// A tile is 4 MB of float32; matmul, soft cap and logsumexp hold up to four of them.
constexpr int64_t kTileRows = 512;
constexpr int64_t kTileVocabulary = 2048;

at::Tensor RowsLoss(const Gemma4Config& config, const Gemma4Weights& weights, const at::Tensor& hidden,
                    const at::Tensor& targets) {
  at::Tensor target_logit = at::zeros({hidden.size(0)}, hidden.options().dtype(at::kFloat));
  std::vector<at::Tensor> log_sums;
  for (int64_t first = 0; first < config.vocab_size; first += kTileVocabulary) {
    const int64_t count = std::min(kTileVocabulary, config.vocab_size - first);
    const at::Tensor logits = Logits(config, weights, hidden, first, count);
    log_sums.push_back(logits.logsumexp(1));
    const at::Tensor column = targets.sub(first).clamp(0, count - 1);
    const at::Tensor inside = targets.ge(first).logical_and_(targets.lt(first + count));
    target_logit = at::where(inside, logits.gather(1, column.unsqueeze(1)).squeeze(1), target_logit);
  }
  return at::stack(log_sums, 1).logsumexp(1).sub_(target_logit);
}

}  // namespace

at::Tensor Logits(const Gemma4Config& config, const Gemma4Weights& weights, const at::Tensor& hidden, int64_t first,
                  int64_t count) {
  const at::ScalarType dtype = weights.dtype();
  at::Tensor z = Linear(hidden, weights.embed_tokens.narrow(0, first, count)).to(at::kFloat);
  if (!config.final_logit_softcapping.has_value()) return z;
  const double cap = *config.final_logit_softcapping;
  z = z.div_(cap).to(dtype).to(at::kFloat);
  z = z.tanh_().to(dtype).to(at::kFloat);
  return z.mul_(cap).to(dtype).to(at::kFloat);
}

at::Tensor NegativeLogLikelihood(const Gemma4Config& config, const Gemma4Weights& weights, const at::Tensor& hidden,
                                 const at::Tensor& targets) {
  std::vector<at::Tensor> parts = {at::empty({0}, at::kFloat)};
  for (int64_t row = 0; row < hidden.size(0); row += kTileRows) {
    const int64_t count = std::min(kTileRows, hidden.size(0) - row);
    parts.push_back(RowsLoss(config, weights, hidden.narrow(0, row, count), targets.narrow(0, row, count)).cpu());
  }
  return at::cat(parts);
}

}  // namespace sub1quant

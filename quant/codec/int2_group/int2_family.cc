#include "quant/codec/int2_group/int2_family.h"

#include <algorithm>
#include <map>

#include "core/check.h"
#include "core/status.h"
#include "quant/codec/implementations.h"
#include "quant/codec/int2_group/int2_codecs.h"
#include "quant/codec/int2_group/int2_group.h"

namespace sub1quant {
namespace {

constexpr char kBase[] = "int2_base";
constexpr char kBinary[] = "int2_binary_residual";
constexpr int kMaxCorrections = 255;  // counts are stored in a byte

class Int2Evaluator final : public TileEvaluator {
 public:
  // `k_of`: K of each method, 0 where it has none.
  Int2Evaluator(const std::vector<std::string>& methods, const std::vector<int>& k_of) : first_(methods.front()) {
    for (int k : k_of)
      if (k > 0) ks_.push_back(k);
    std::sort(ks_.begin(), ks_.end());
    ks_.erase(std::unique(ks_.begin(), ks_.end()), ks_.end());
    request_.ks = ks_.data();
    request_.k_count = static_cast<int>(ks_.size());
    for (size_t i = 0; i < methods.size(); ++i) {
      request_.binary |= k_of[i] == 0;
      const auto place = std::lower_bound(ks_.begin(), ks_.end(), k_of[i]) - ks_.begin();
      sources_.push_back(methods[i] == kBase ? kBaseSum : methods[i] == kBinary ? kBinarySum : static_cast<int>(place));
    }
  }

  absl::Status Check(const WeightTile& tile, int lane) const override {
    return Annotate(CheckInt2Group(tile, lane), first_);
  }

  void Evaluate(const WeightTile& tile, const Implementation& implementation, float (*sums)[kTileLanes],
                uint8_t* const* choices) const override {
    Int2Choices found;
    implementation.int2.choose(tile, request_, &found);
    for (size_t i = 0; i < sources_.size(); ++i) {
      const Int2Choice& choice = sources_[i] < 0 ? found.binary : found.k[sources_[i]];
      std::copy_n(sources_[i] == kBaseSum ? found.base_sums : choice.sums, tile.lanes, sums[i]);
      if (choices != nullptr && choices[i] != nullptr)
        std::copy_n(choice.multipliers, tile.lanes, choices[i] + tile.first);
    }
  }

 private:
  static constexpr int kBaseSum = -1, kBinarySum = -2;  // else a place in ks_

  std::string first_;
  std::vector<int> ks_;
  Int2Request request_;
  std::vector<int> sources_;
};

class Int2FamilyImpl final : public Family {
 public:
  Int2FamilyImpl() {
    entries_[kBase] = {NewInt2BaseCodec(), 0};
    entries_[kBinary] = {NewInt2BinaryCodec(), 0};
    for (int k = 1; k <= kMaxCorrections; ++k) entries_[Int2CorrectedMethod(k)] = {NewInt2CorrectedCodec(k), k};
  }

  const Codec* Find(const std::string& method) const override {
    const auto found = entries_.find(method);
    return found == entries_.end() ? nullptr : found->second.codec.get();
  }

  absl::StatusOr<std::unique_ptr<TileEvaluator>> NewEvaluator(const std::vector<std::string>& methods,
                                                              int group_size) const override {
    std::vector<int> k_of;
    for (const std::string& method : methods) {
      const auto found = entries_.find(method);
      SUB1QUANT_CHECK(found != entries_.end());
      k_of.push_back(found->second.k);
      SUB1QUANT_RETURN_IF_ERROR(CheckInt2Corrections(k_of.back(), group_size));
    }
    return std::make_unique<Int2Evaluator>(methods, k_of);
  }

 private:
  struct Entry {
    std::unique_ptr<Codec> codec;
    int k = 0;
  };
  std::map<std::string, Entry> entries_;
};

}  // namespace

const Family& Int2Family() {
  static const Int2FamilyImpl family;
  return family;
}

}  // namespace sub1quant

#include "quant/codec/integer_group/integer_family.h"

#include <algorithm>
#include <map>

#include "core/check.h"
#include "core/status.h"
#include "quant/codec/implementations.h"
#include "quant/codec/integer_group/integer_codec.h"
#include "quant/codec/integer_group/integer_group.h"
#include "quant/codec/packing.h"

namespace sub1quant {
namespace {

class IntegerEvaluator final : public TileEvaluator {
 public:
  explicit IntegerEvaluator(std::vector<int> widths) : widths_(std::move(widths)) {}

  absl::Status Check(const WeightTile& tile, int lane) const override {
    for (const int bits : widths_)
      SUB1QUANT_RETURN_IF_ERROR(Annotate(CheckIntegerGroup(tile, lane, bits), IntegerMethod(bits)));
    return absl::OkStatus();
  }

  void Evaluate(const WeightTile& tile, const Implementation& implementation, float (*sums)[kTileLanes],
                uint8_t* const* choices) const override {
    for (size_t i = 0; i < widths_.size(); ++i) {
      IntegerTileChoice choice;
      implementation.integer.choose(tile, widths_[i], /*importance=*/nullptr, &choice);
      std::copy_n(choice.sums, tile.lanes, sums[i]);
      if (choices == nullptr || choices[i] == nullptr) continue;
      for (int lane = 0; lane < tile.lanes; ++lane) PutFp16(choices[i], tile.first + lane, choice.scales[lane]);
    }
  }

 private:
  std::vector<int> widths_;
};

class IntegerFamilyImpl final : public Family {
 public:
  IntegerFamilyImpl() {
    for (int bits : IntegerWidths()) entries_[IntegerMethod(bits)] = {NewIntegerCodec(bits), bits};
  }

  const Codec* Find(const std::string& method) const override {
    const auto found = entries_.find(method);
    return found == entries_.end() ? nullptr : found->second.codec.get();
  }

  absl::StatusOr<std::unique_ptr<TileEvaluator>> NewEvaluator(const std::vector<std::string>& methods,
                                                              int) const override {
    std::vector<int> widths;
    for (const std::string& method : methods) {
      const auto found = entries_.find(method);
      SUB1QUANT_CHECK(found != entries_.end());
      widths.push_back(found->second.bits);
    }
    return std::make_unique<IntegerEvaluator>(std::move(widths));
  }

 private:
  struct Entry {
    std::unique_ptr<Codec> codec;
    int bits = 0;
  };
  std::map<std::string, Entry> entries_;
};

}  // namespace

const Family& IntegerFamily() {
  static const IntegerFamilyImpl family;
  return family;
}

}  // namespace sub1quant

#include "quant/codec/integer_group/integer_family.h"

#include <map>

#include "core/check.h"
#include "core/status.h"
#include "quant/codec/integer_group/integer_codec.h"
#include "quant/codec/integer_group/integer_group.h"

namespace sub1quant {
namespace {

class IntegerEvaluator final : public GroupEvaluator {
 public:
  explicit IntegerEvaluator(std::vector<int> widths) : widths_(std::move(widths)) {}

  absl::Status Evaluate(const WeightGroup& group, float* sums) const override {
    for (size_t i = 0; i < widths_.size(); ++i) {
      SUB1QUANT_RETURN_IF_ERROR(Annotate(CheckIntegerGroup(group, widths_[i]), IntegerMethod(widths_[i])));
      IntegerChoice choice;
      ChooseInteger(group, widths_[i], /*importance=*/nullptr, &choice);
      sums[i] = choice.sum;
    }
    return absl::OkStatus();
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

  absl::StatusOr<std::unique_ptr<GroupEvaluator>> NewEvaluator(const std::vector<std::string>& methods,
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

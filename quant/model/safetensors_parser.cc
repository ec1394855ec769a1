#include "quant/model/safetensors_parser.h"

#include <limits>
#include <set>
#include <utility>

#include "quant/model/strict_sax.h"

namespace sub1quant {
namespace {

bool HasControlCharacter(const std::string& text) {
  for (const unsigned char c : text)
    if (c < 0x20 || c == 0x7F) return true;
  return false;
}

// The grammar is a fixed tree: { name: { dtype: string, shape: [integers], data_offsets: [integers] }, __metadata__: {
// string: string } }. Anything else is refused where it stands, so depth is bounded by construction.
class HeaderSax : public StrictSax {
 public:
  RawSafetensors Take() { return std::move(result_); }

  bool start_object(size_t) override {
    if (state_ == State::kStart) return Enter(State::kNames);
    if (state_ == State::kTensorValue) return Enter(State::kMembers);
    if (state_ == State::kMetadataValue) return Enter(State::kMetadata);
    return Misplaced("object");
  }

  bool key(string_t& name) override {
    if (state_ == State::kNames) return NameKey(name);
    if (state_ == State::kMembers) return MemberKey(name);
    metadata_key_ = name;
    if (!result_.metadata.emplace(name, "").second) return Refuse("__metadata__: duplicate key " + QuotedKey(name));
    return Enter(State::kMetadataString);
  }

  bool end_object() override {
    if (state_ == State::kNames) return Enter(State::kEnd);
    if (state_ == State::kMetadata) return Enter(State::kNames);
    if (!has_dtype_ || !has_shape_ || !has_offsets_)
      return RefuseTensor(std::string(!has_dtype_ ? "dtype" : !has_shape_ ? "shape" : "data_offsets") + " is missing");
    return Enter(State::kNames);
  }

  bool string(string_t& value) override {
    if (state_ == State::kMetadataString) {
      result_.metadata[metadata_key_] = std::move(value);
      return Enter(State::kMetadata);
    }
    if (state_ != State::kDType) return Misplaced("string");
    const std::optional<DType> dtype = ParseDType(value);
    if (!dtype) return RefuseTensor("unknown dtype " + QuotedKey(value));
    Current().dtype = *dtype;
    return Enter(State::kMembers);
  }

  bool start_array(size_t) override {
    if (state_ == State::kShape) return Enter(State::kShapeItems);
    if (state_ == State::kOffsets) return Enter(State::kOffsetItems);
    return Misplaced("array");
  }

  bool number_unsigned(number_unsigned_t value) override {
    if (state_ == State::kShapeItems) {
      if (value > static_cast<uint64_t>(std::numeric_limits<int64_t>::max()))
        return RefuseTensor("shape: dimension " + std::to_string(value) + " is too large");
      Current().shape.push_back(static_cast<int64_t>(value));
      return true;
    }
    if (state_ != State::kOffsetItems) return Misplaced("number");
    if (offsets_seen_ == 2) return RefuseTensor("data_offsets: more than two numbers");
    (offsets_seen_++ == 0 ? Current().begin : Current().end) = value;
    return true;
  }

  bool number_integer(number_integer_t value) override {
    return InTensor() ? RefuseTensor("negative number " + std::to_string(value)) : Misplaced("number");
  }

  bool number_float(number_float_t, const string_t&) override {
    return InTensor() ? RefuseTensor("a number that is not an integer of 64 bits") : Misplaced("number");
  }

  bool end_array() override {
    if (state_ == State::kOffsetItems && offsets_seen_ != 2)
      return RefuseTensor("data_offsets: two numbers are needed");
    return Enter(State::kMembers);
  }

  bool null() override { return Misplaced("null"); }
  bool boolean(bool) override { return Misplaced("boolean"); }

 private:
  // What may come next.
  enum class State {
    kStart,
    kNames,
    kTensorValue,
    kMembers,
    kDType,
    kShape,
    kShapeItems,
    kOffsets,
    kOffsetItems,
    kMetadataValue,
    kMetadata,
    kMetadataString,
    kEnd,
  };

  bool Enter(State state) {
    state_ = state;
    return true;
  }

  bool NameKey(const std::string& name) {
    if (!names_.insert(name).second) return Refuse("duplicate key " + QuotedKey(name));
    if (name == "__metadata__") return Enter(State::kMetadataValue);
    if (HasControlCharacter(name)) return Refuse("a tensor name holds a control character");
    if (result_.tensors.size() == kMaxSafetensorsTensors)
      return Refuse("more than " + std::to_string(kMaxSafetensorsTensors) + " tensors");
    result_.tensors.emplace_back().key = name;
    has_dtype_ = has_shape_ = has_offsets_ = false;
    offsets_seen_ = 0;
    return Enter(State::kTensorValue);
  }

  bool MemberKey(const std::string& name) {
    if (name == "dtype") return Member(has_dtype_, name, State::kDType);
    if (name == "shape") return Member(has_shape_, name, State::kShape);
    if (name == "data_offsets") return Member(has_offsets_, name, State::kOffsets);
    return RefuseTensor("unknown member " + QuotedKey(name));
  }

  bool Member(bool& seen, const std::string& name, State next) {
    if (seen) return RefuseTensor("duplicate key '" + name + "'");
    seen = true;
    return Enter(next);
  }

  bool InTensor() const { return state_ >= State::kTensorValue && state_ <= State::kOffsetItems; }
  RawSafetensors::Tensor& Current() { return result_.tensors.back(); }
  bool RefuseTensor(const std::string& reason) { return Refuse("tensor " + QuotedKey(Current().key) + ": " + reason); }
  bool Misplaced(const std::string& what) {
    if (InTensor()) return RefuseTensor("unexpected " + what);
    return Refuse(state_ >= State::kMetadataValue && state_ < State::kEnd ? "__metadata__: unexpected " + what
                                                                          : "unexpected " + what);
  }

  RawSafetensors result_;
  std::set<std::string> names_;  // ordered: no hash for an attacker to collide
  std::string metadata_key_;
  State state_ = State::kStart;
  bool has_dtype_ = false, has_shape_ = false, has_offsets_ = false;
  int offsets_seen_ = 0;
};

}  // namespace

absl::StatusOr<RawSafetensors> ParseSafetensorsJson(const char* text, size_t size) {
  HeaderSax sax;
  if (absl::Status status = sax.Run(text, size); !status.ok()) return status;
  return sax.Take();
}

}  // namespace sub1quant

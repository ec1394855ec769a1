#include "quant/artifact/pickle_reader.h"

#include <bit>
#include <unordered_map>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "core/status.h"
#include "quant/artifact/pickle_opcodes.h"
#include "quant/artifact/pickle_tensor.h"
#include "quant/artifact/utf8.h"

namespace sub1quant {
namespace {

using Kind = PickleValue::Kind;
using Mutable = std::shared_ptr<PickleValue>;

constexpr size_t kMaxGlobalName = 200;

bool IsContainer(Kind kind) { return kind == Kind::kDict || kind == Kind::kList || kind == Kind::kTuple; }

// The stack machine. Each opcode is a method that returns a status; Run dispatches.
class Machine {
 public:
  Machine(const std::string& bytes, const PickleLimits& limits) : bytes_(bytes), limits_(limits) {}

  absl::StatusOr<PicklePointer> Run() {
    if (bytes_.size() > limits_.max_bytes)
      return absl::ResourceExhaustedError(
          absl::StrCat("pickle: ", bytes_.size(), " bytes, at most ", limits_.max_bytes, " are accepted"));
    while (true) {
      const size_t start = at_;
      uint8_t opcode = 0;
      absl::Status status = TakeByte(&opcode);
      if (status.ok() && opcode == pickle::kStop) return Stop();
      if (status.ok()) status = Execute(opcode);
      if (!status.ok()) return Annotate(status, absl::StrCat("pickle: byte ", start));
    }
  }

 private:
  static absl::Status Bad(const std::string& problem) { return absl::InvalidArgumentError(problem); }

  absl::StatusOr<PicklePointer> Stop() {
    if (at_ != bytes_.size()) return Bad("pickle: bytes follow its end");
    if (stack_.size() != 1 || !marks_.empty()) return Bad("pickle: ends with more or less than one value");
    return PicklePointer(stack_[0]);
  }

  absl::Status Execute(uint8_t opcode) {
    switch (opcode) {
      case pickle::kProto:
        return Proto();
      case pickle::kMark:
        marks_.push_back(stack_.size());
        return Count();
      case pickle::kEmptyDict:
        return PushNew(Kind::kDict);
      case pickle::kEmptyList:
        return PushNew(Kind::kList);
      case pickle::kEmptyTuple:
        return PushNew(Kind::kTuple);
      case pickle::kNone:
        return PushNew(Kind::kNone);
      case pickle::kNewTrue:
        return PushInt(Kind::kBool, 1);
      case pickle::kNewFalse:
        return PushInt(Kind::kBool, 0);
      case pickle::kBinInt1:
        return FixedInt(1);
      case pickle::kBinInt2:
        return FixedInt(2);
      case pickle::kBinInt:
        return FixedInt(4);
      case pickle::kLong1:
        return Long1();
      case pickle::kBinFloat:
        return BinFloat();
      case pickle::kBinUnicode:
        return BinUnicode();
      case pickle::kGlobal:
        return Global();
      case pickle::kTuple:
        return TupleFromMark();
      case pickle::kTuple1:
        return TupleOf(1);
      case pickle::kTuple2:
        return TupleOf(2);
      case pickle::kTuple3:
        return TupleOf(3);
      case pickle::kAppend:
        return Extend(Kind::kList, 1);
      case pickle::kSetItem:
        return Extend(Kind::kDict, 2);
      case pickle::kAppends:
        return ExtendFromMark(Kind::kList);
      case pickle::kSetItems:
        return ExtendFromMark(Kind::kDict);
      case pickle::kBinPut:
        return Put(1);
      case pickle::kLongBinPut:
        return Put(4);
      case pickle::kBinGet:
        return Get(1);
      case pickle::kLongBinGet:
        return Get(4);
      case pickle::kBinPersId:
        return PersistentId();
      case pickle::kReduce:
        return Reduce();
      default:
        return Bad(absl::StrFormat("opcode 0x%02x is not allowed in a checkpoint", opcode));
    }
  }

  absl::Status TakeByte(uint8_t* byte) {
    if (at_ >= bytes_.size()) return Bad("ends too early");
    *byte = static_cast<uint8_t>(bytes_[at_++]);
    return absl::OkStatus();
  }
  absl::Status TakeLittle(int size, uint64_t* value) {
    *value = 0;
    for (int i = 0; i < size; ++i) {
      uint8_t byte = 0;
      SUB1QUANT_RETURN_IF_ERROR(TakeByte(&byte));
      *value |= uint64_t{byte} << (8 * i);
    }
    return absl::OkStatus();
  }
  absl::Status TakeLine(std::string* line) {
    const size_t end = bytes_.find('\n', at_);
    if (end == std::string::npos || end - at_ > kMaxGlobalName) return Bad("a global's name does not end");
    *line = bytes_.substr(at_, end - at_);
    at_ = end + 1;
    return absl::OkStatus();
  }

  absl::Status Count() {
    if (++count_ <= limits_.max_values) return absl::OkStatus();
    return absl::ResourceExhaustedError(absl::StrCat("more than ", limits_.max_values, " values"));
  }
  absl::Status Push(Mutable value) {
    stack_.push_back(std::move(value));
    return Count();
  }
  absl::Status PushNew(Kind kind) {
    auto value = std::make_shared<PickleValue>();
    value->kind = kind;
    return Push(std::move(value));
  }
  absl::Status PushInt(Kind kind, int64_t integer) {
    SUB1QUANT_RETURN_IF_ERROR(PushNew(kind));
    stack_.back()->integer = integer;
    return absl::OkStatus();
  }
  // How many values lie above the last mark: those an opcode may take.
  size_t Available() const { return stack_.size() - (marks_.empty() ? 0 : marks_.back()); }
  absl::Status Need(size_t count) const {
    return Available() >= count ? absl::OkStatus() : Bad("takes more values than there are");
  }
  absl::Status PopMark(size_t* count) {
    if (marks_.empty()) return Bad("no mark is set");
    *count = Available();
    marks_.pop_back();
    return absl::OkStatus();
  }

  absl::Status Proto() {
    uint8_t version = 0;
    SUB1QUANT_RETURN_IF_ERROR(TakeByte(&version));
    return version == 2 ? absl::OkStatus() : Bad(absl::StrCat("protocol ", int{version}, ", 2 expected"));
  }

  absl::Status FixedInt(int size) {
    uint64_t value = 0;
    SUB1QUANT_RETURN_IF_ERROR(TakeLittle(size, &value));
    return PushInt(Kind::kInt, size == 4 ? static_cast<int32_t>(value) : static_cast<int64_t>(value));
  }

  absl::Status Long1() {
    uint8_t size = 0;
    uint64_t value = 0;
    SUB1QUANT_RETURN_IF_ERROR(TakeByte(&size));
    if (size > 8) return Bad("an integer of more than 8 bytes");
    SUB1QUANT_RETURN_IF_ERROR(TakeLittle(size, &value));
    if (size > 0 && size < 8 && (value >> (8 * size - 1) & 1)) value |= ~uint64_t{0} << (8 * size);
    return PushInt(Kind::kInt, static_cast<int64_t>(value));
  }

  absl::Status BinFloat() {
    uint64_t bits = 0;
    for (int i = 0; i < 8; ++i) {
      uint8_t byte = 0;
      SUB1QUANT_RETURN_IF_ERROR(TakeByte(&byte));
      bits = bits << 8 | byte;
    }
    SUB1QUANT_RETURN_IF_ERROR(PushNew(Kind::kFloat));
    stack_.back()->number = std::bit_cast<double>(bits);
    return absl::OkStatus();
  }

  absl::Status BinUnicode() {
    uint64_t size = 0;
    SUB1QUANT_RETURN_IF_ERROR(TakeLittle(4, &size));
    if (size > bytes_.size() - at_) return Bad("a string runs over the end");
    SUB1QUANT_RETURN_IF_ERROR(PushNew(Kind::kString));
    stack_.back()->text = bytes_.substr(at_, size);
    at_ += size;
    return IsUtf8(stack_.back()->text) ? absl::OkStatus() : Bad("a string is not UTF-8");
  }

  absl::Status Global() {
    std::string module, name;
    SUB1QUANT_RETURN_IF_ERROR(TakeLine(&module));
    SUB1QUANT_RETURN_IF_ERROR(TakeLine(&name));
    SUB1QUANT_RETURN_IF_ERROR(CheckGlobal(module + "." + name));
    SUB1QUANT_RETURN_IF_ERROR(PushNew(Kind::kGlobal));
    stack_.back()->text = module + "." + name;
    return absl::OkStatus();
  }

  // Moves the top `count` values into `container`, which was made before and is not inside another value yet.
  absl::Status MoveInto(PickleValue* container, size_t count) {
    for (size_t i = stack_.size() - count; i < stack_.size(); ++i) {
      stack_[i]->shared = true;
      if (container->shared) return Bad("a value is changed after it was used");
      if (IsContainer(stack_[i]->kind)) container->depth = std::max(container->depth, stack_[i]->depth + 1);
      container->items.push_back(std::move(stack_[i]));
    }
    stack_.resize(stack_.size() - count);
    return container->depth <= limits_.max_depth ? absl::OkStatus()
                                                 : Bad(absl::StrCat("nested deeper than ", limits_.max_depth));
  }

  absl::Status TupleFromMark() {
    size_t count = 0;
    SUB1QUANT_RETURN_IF_ERROR(PopMark(&count));
    return TupleOf(count);
  }
  absl::Status TupleOf(size_t count) {
    SUB1QUANT_RETURN_IF_ERROR(Need(count));
    auto tuple = std::make_shared<PickleValue>();
    tuple->kind = Kind::kTuple;
    SUB1QUANT_RETURN_IF_ERROR(MoveInto(tuple.get(), count));
    return Push(std::move(tuple));
  }

  absl::Status ExtendFromMark(Kind kind) {
    size_t count = 0;
    SUB1QUANT_RETURN_IF_ERROR(PopMark(&count));
    return Extend(kind, count);
  }
  absl::Status Extend(Kind kind, size_t count) {
    SUB1QUANT_RETURN_IF_ERROR(Need(count + 1));
    const Mutable container = stack_[stack_.size() - count - 1];
    if (container->kind != kind) return Bad(kind == Kind::kDict ? "sets items of no dict" : "appends to no list");
    if (kind == Kind::kDict) {
      if (count % 2 != 0) return Bad("a dict with a key and no value");
      for (size_t i = stack_.size() - count; i < stack_.size(); i += 2)
        if (stack_[i]->kind != Kind::kString && stack_[i]->kind != Kind::kInt)
          return Bad("a key that is no string or integer");
    }
    return MoveInto(container.get(), count);
  }

  absl::Status Put(int size) {
    uint64_t index = 0;
    SUB1QUANT_RETURN_IF_ERROR(TakeLittle(size, &index));
    SUB1QUANT_RETURN_IF_ERROR(Need(1));
    memo_[index] = stack_.back();
    return absl::OkStatus();
  }
  absl::Status Get(int size) {
    uint64_t index = 0;
    SUB1QUANT_RETURN_IF_ERROR(TakeLittle(size, &index));
    const auto found = memo_.find(index);
    if (found == memo_.end()) return Bad(absl::StrCat("memo ", index, " was never set"));
    return Push(found->second);
  }

  absl::Status PersistentId() {
    SUB1QUANT_RETURN_IF_ERROR(Need(1));
    SUB1QUANT_ASSIGN_OR_RETURN(PickleValue storage, StorageFromId(*stack_.back()));
    stack_.back() = std::make_shared<PickleValue>(std::move(storage));
    return Count();
  }
  absl::Status Reduce() {
    SUB1QUANT_RETURN_IF_ERROR(Need(2));
    const Mutable arguments = stack_.back();
    stack_.pop_back();
    SUB1QUANT_ASSIGN_OR_RETURN(PickleValue made, CallGlobal(*stack_.back(), *arguments));
    stack_.back() = std::make_shared<PickleValue>(std::move(made));
    return Count();
  }

  const std::string& bytes_;
  const PickleLimits limits_;
  size_t at_ = 0;
  size_t count_ = 0;
  std::vector<Mutable> stack_;
  std::vector<size_t> marks_;
  std::unordered_map<uint64_t, Mutable> memo_;
};

}  // namespace

const PickleValue* PickleValue::Find(const std::string& key) const {
  if (kind != Kind::kDict) return nullptr;
  for (size_t i = items.size(); i >= 2; i -= 2)
    if (items[i - 2]->kind == Kind::kString && items[i - 2]->text == key) return items[i - 1].get();
  return nullptr;
}

absl::StatusOr<PicklePointer> ReadPickle(const std::string& bytes, const PickleLimits& limits) {
  return Machine(bytes, limits).Run();
}

}  // namespace sub1quant

#include "quant/eval/tokenizer_file.h"

#include "quant/model/strict_sax.h"

namespace sub1quant {
namespace {

constexpr size_t kMaxDepth = 32;
constexpr size_t kMaxRestKeys = 1000;  // a member lookup in an ordered object is linear
constexpr size_t kMaxRestValues = 1000000;
constexpr size_t kMaxEntries = size_t{1} << 22;

// Builds the small rest as a tree and diverts model.vocab and model.merges. `stack_` holds the open containers of the
// tree.
class TokenizerSax : public StrictSax {
 public:
  TokenizerFile file;
  bool seen_vocab = false, seen_merges = false;

  bool null() override { return Scalar(nullptr); }
  bool boolean(bool value) override { return Scalar(value); }
  bool number_integer(number_integer_t value) override { return Scalar(value); }
  bool number_float(number_float_t value, const string_t&) override { return Scalar(value); }

  bool number_unsigned(number_unsigned_t value) override {
    if (mode_ != Mode::kVocab) return Scalar(value);
    if (value > kMaxEntries * 4)
      return Refuse("model.vocab: id " + std::to_string(value) + " of " + QuotedKey(key_) + " is too large");
    file.vocab.emplace_back(std::move(key_), static_cast<int32_t>(value));
    return true;
  }

  bool string(string_t& value) override {
    if (mode_ == Mode::kMerges) return MergeString(value);
    if (mode_ != Mode::kMergePair) return Scalar(value);
    if (pair_size_ == 2) return Refuse(MergeName() + ": more than two pieces");
    pair_[pair_size_++] = std::move(value);
    return true;
  }

  bool key(string_t& name) override {
    if (mode_ == Mode::kVocab && file.vocab.size() == kMaxEntries) return Refuse("model.vocab: too many entries");
    key_ = name;
    if (mode_ == Mode::kVocab) return true;
    if (stack_.back()->contains(name)) return Refuse("duplicate key " + QuotedKey(name));
    if (stack_.back()->size() == kMaxRestKeys) return Refuse("an object with too many keys at " + QuotedKey(name));
    (*stack_.back())[name] = nullptr;  // holds the place, and makes a second one of the name a duplicate
    return true;
  }

  bool start_object(size_t) override {
    if (mode_ != Mode::kRest) return Refuse(Place() + "unexpected object");
    if (AtModelMember("vocab")) return Divert(Mode::kVocab, seen_vocab);
    return Open(Json::object());
  }

  bool start_array(size_t) override {
    if (mode_ == Mode::kMerges) return OpenMerge();
    if (mode_ != Mode::kRest) return Refuse(Place() + "unexpected array");
    if (AtModelMember("merges")) return Divert(Mode::kMerges, seen_merges);
    return Open(Json::array());
  }

  bool end_object() override {
    if (mode_ == Mode::kVocab) return Back(Mode::kRest);
    return Close();
  }

  bool end_array() override {
    if (mode_ == Mode::kMerges) return Back(Mode::kRest);
    if (mode_ != Mode::kMergePair) return Close();
    if (pair_size_ != 2) return Refuse(MergeName() + ": two pieces are expected");
    file.merges.Add(pair_[0], pair_[1]);
    return Back(Mode::kMerges);
  }

 private:
  enum class Mode { kRest, kVocab, kMerges, kMergePair };

  bool Back(Mode mode) {
    mode_ = mode;
    return true;
  }
  bool Divert(Mode mode, bool& seen) {
    seen = true;
    return Back(mode);
  }
  std::string MergeName() const { return "model.merges[" + std::to_string(file.merges.size()) + "]"; }
  std::string Place() const {
    return mode_ == Mode::kVocab ? "model.vocab: " + QuotedKey(key_) + ": " : MergeName() + ": ";
  }

  bool AtModelMember(const std::string& name) const {
    return stack_.size() == 2 && in_model_ && stack_.back()->is_object() && key_ == name;
  }

  bool OpenMerge() {
    if (file.merges.size() == kMaxEntries) return Refuse("model.merges: too many entries");
    pair_size_ = 0;
    return Back(Mode::kMergePair);
  }

  // The older spelling "left right".
  bool MergeString(const std::string& value) {
    if (file.merges.size() == kMaxEntries) return Refuse("model.merges: too many entries");
    const size_t space = value.find(' ');
    if (space == std::string::npos || value.find(' ', space + 1) != std::string::npos)
      return Refuse(MergeName() + " " + QuotedKey(value) + ": two pieces with one space between them are expected");
    const std::string_view view(value);
    file.merges.Add(view.substr(0, space), view.substr(space + 1));
    return true;
  }

  bool Scalar(Json value) {
    if (mode_ != Mode::kRest) return Refuse(Place() + "unexpected value");
    if (stack_.empty()) return Refuse("an object is expected");
    return Place(std::move(value)) != nullptr;
  }

  bool Open(Json container) {
    if (stack_.size() == kMaxDepth) return Refuse("nested deeper than " + std::to_string(kMaxDepth));
    if (stack_.empty()) {
      if (!container.is_object()) return Refuse("an object is expected");
      file.rest = std::move(container);
      stack_.push_back(&file.rest);
      return true;
    }
    if (stack_.size() == 1) in_model_ = key_ == "model";
    Json* const placed = Place(std::move(container));
    if (placed != nullptr) stack_.push_back(placed);
    return placed != nullptr;
  }

  // A new element of the open array, or the value of the last key. Open containers are last in their parent, so that
  // their addresses hold until they are closed.
  Json* Place(Json value) {
    if (++values_ > kMaxRestValues) {
      Refuse("too many values outside vocabulary and merges");
      return nullptr;
    }
    Json& parent = *stack_.back();
    if (parent.is_array()) return &parent.emplace_back(std::move(value));
    return &((parent[key_]) = std::move(value));
  }

  bool Close() {
    stack_.pop_back();
    return true;
  }

  Mode mode_ = Mode::kRest;
  std::vector<Json*> stack_;
  std::string key_;
  bool in_model_ = false;
  std::string pair_[2];
  int pair_size_ = 0;
  size_t values_ = 0;
};

}  // namespace

absl::StatusOr<TokenizerFile> ParseTokenizerFile(const std::string& json_text) {
  TokenizerSax sax;
  if (absl::Status status = sax.Run(json_text.data(), json_text.size()); !status.ok()) return status;
  if (!sax.seen_vocab) return absl::InvalidArgumentError("model.vocab: an object is expected");
  if (!sax.seen_merges) return absl::InvalidArgumentError("model.merges: a list is expected");
  return std::move(sax.file);
}

}  // namespace sub1quant

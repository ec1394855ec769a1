#include "quant/eval/tokenizer.h"

#include "core/status.h"
#include "quant/eval/added_tokens.h"
#include "quant/eval/bpe.h"
#include "quant/eval/token_decoder.h"
#include "quant/eval/tokenizer_file.h"
#include "quant/eval/tokenizer_pipeline.h"
#include "quant/eval/utf8.h"

namespace sub1quant {
namespace {

constexpr char kBos[] = "<bos>";
constexpr size_t kMaxTextBytes = size_t{1} << 30;  // positions and counts are 32-bit, a space becomes three bytes

// text[begin, end) with every space as U+2581.
std::string Normalize(const std::string& text, size_t begin, size_t end) {
  std::string segment;
  segment.reserve(end - begin + (end - begin) / 2);
  for (size_t i = begin; i < end; ++i) {
    if (text[i] == ' ')
      segment += kMetaspace;
    else
      segment += text[i];
  }
  return segment;
}

class GemmaTokenizer : public Tokenizer {
 public:
  GemmaTokenizer(Bpe bpe, AddedTokens added, const std::vector<std::string>& pieces, int32_t bos_id)
      : bpe_(std::move(bpe)),
        added_(std::move(added)),
        decoder_(pieces),
        bos_id_(bos_id),
        vocab_size_(static_cast<int64_t>(pieces.size())) {}

  absl::StatusOr<std::vector<int32_t>> Encode(const std::string& text) const override {
    if (text.size() > kMaxTextBytes)
      return absl::InvalidArgumentError("text of " + std::to_string(text.size()) + " bytes: at most " +
                                        std::to_string(kMaxTextBytes) + " are accepted");
    if (const size_t offset = FirstInvalidUtf8(text); offset != kUtf8Valid)
      return absl::InvalidArgumentError("text is not UTF-8 at byte " + std::to_string(offset));
    std::vector<int32_t> ids;
    for (size_t begin = 0; begin < text.size();) {
      const AddedTokens::Match match = added_.Next(text, begin);
      if (match.begin > begin) bpe_.EncodeCut(Normalize(text, begin, match.begin), ids);
      if (match.id >= 0) ids.push_back(match.id);
      begin = match.end;
    }
    return ids;
  }

  std::string Decode(const std::vector<int32_t>& ids) const override { return decoder_.Decode(ids); }
  int32_t bos_id() const override { return bos_id_; }
  int64_t vocab_size() const override { return vocab_size_; }

 private:
  const Bpe bpe_;
  const AddedTokens added_;
  const TokenDecoder decoder_;
  const int32_t bos_id_;
  const int64_t vocab_size_;
};

// The pieces of the model and the added tokens that it lacks, by id.
absl::StatusOr<std::vector<std::string>> AllPieces(const Bpe& bpe, const AddedTokens& added) {
  std::vector<std::string> pieces = bpe.pieces();
  const size_t limit = 2 * pieces.size() + 1024;
  for (const auto& [content, id] : added.tokens()) {
    const auto place = static_cast<size_t>(id);
    if (place >= limit)
      return absl::InvalidArgumentError("added_tokens: id " + std::to_string(id) + " of '" + content +
                                        "' is too large");
    if (place >= pieces.size()) pieces.resize(place + 1);
    const int32_t known = bpe.IdOf(content);
    if ((known >= 0 && known != id) || (!pieces[place].empty() && pieces[place] != content))
      return absl::InvalidArgumentError("added_tokens: id " + std::to_string(id) + " of '" + content +
                                        "' is not the one that model.vocab gives");
    pieces[place] = content;
  }
  return pieces;
}

absl::StatusOr<std::unique_ptr<Tokenizer>> ParseFile(const std::string& json) {
  SUB1QUANT_ASSIGN_OR_RETURN(const TokenizerFile file, ParseTokenizerFile(json));
  SUB1QUANT_RETURN_IF_ERROR(CheckTokenizerPipeline(file.rest));
  SUB1QUANT_ASSIGN_OR_RETURN(Bpe bpe, Bpe::Build(file));
  const Json list = file.rest.contains("added_tokens") ? file.rest.at("added_tokens") : Json(nullptr);
  SUB1QUANT_ASSIGN_OR_RETURN(AddedTokens added, AddedTokens::Build(list));
  SUB1QUANT_ASSIGN_OR_RETURN(const std::vector<std::string> pieces, AllPieces(bpe, added));
  for (size_t id = 0; id < pieces.size(); ++id)
    if (pieces[id] == kBos)
      return std::make_unique<GemmaTokenizer>(std::move(bpe), std::move(added), pieces, static_cast<int32_t>(id));
  return absl::InvalidArgumentError("there is no token <bos>");
}

}  // namespace

absl::StatusOr<std::unique_ptr<Tokenizer>> Tokenizer::Parse(const std::string& tokenizer_json) {
  auto tokenizer = ParseFile(tokenizer_json);
  if (!tokenizer.ok()) return Annotate(tokenizer.status(), "tokenizer.json");
  return tokenizer;
}

}  // namespace sub1quant

#include "quant/eval/corpus.h"

#include "core/status.h"
#include "quant/eval/utf8.h"

namespace sub1quant {
namespace {

std::string WithLineFeeds(const std::string& text) {
  std::string result;
  result.reserve(text.size());
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '\r') {
      result += text[i];
    } else if (i + 1 == text.size() || text[i + 1] != '\n') {
      result += '\n';
    }
  }
  return result;
}

}  // namespace

absl::StatusOr<std::vector<int32_t>> TokenizeCorpus(const Tokenizer& tokenizer, const std::string& text) {
  if (text.empty()) return absl::InvalidArgumentError("corpus: empty");
  // Before the line ends change, so that the offset is the file's.
  if (const size_t offset = FirstInvalidUtf8(text); offset != kUtf8Valid)
    return absl::InvalidArgumentError("corpus: not UTF-8 at byte " + std::to_string(offset));
  auto encoded = tokenizer.Encode(WithLineFeeds(text));
  if (!encoded.ok()) return Annotate(encoded.status(), "corpus");
  std::vector<int32_t> ids = {tokenizer.bos_id()};
  ids.insert(ids.end(), encoded->begin(), encoded->end());
  return ids;
}

std::string TokensToBytes(const std::vector<int32_t>& ids) {
  std::string bytes;
  bytes.reserve(4 * ids.size());
  for (const int32_t id : ids)
    for (int shift = 0; shift < 32; shift += 8) bytes += static_cast<char>(static_cast<uint32_t>(id) >> shift);
  return bytes;
}

absl::StatusOr<std::vector<int32_t>> TokensFromBytes(const std::string& bytes) {
  if (bytes.size() % 4 != 0)
    return absl::InvalidArgumentError("tokens: " + std::to_string(bytes.size()) +
                                      " bytes, a multiple of 4 is expected");
  std::vector<int32_t> ids;
  ids.reserve(bytes.size() / 4);
  for (size_t i = 0; i < bytes.size(); i += 4) {
    uint32_t id = 0;
    for (size_t k = 4; k-- > 0;) id = id << 8 | static_cast<unsigned char>(bytes[i + k]);
    if (id > 0x7FFFFFFF) return absl::InvalidArgumentError("tokens: id " + std::to_string(i / 4) + " is negative");
    ids.push_back(static_cast<int32_t>(id));
  }
  return ids;
}

}  // namespace sub1quant

#include "quant/eval/token_decoder.h"

#include <cctype>

#include "quant/eval/tokenizer_pipeline.h"
#include "quant/eval/utf8.h"

namespace sub1quant {
namespace {

constexpr char kReplacement[] = "\xEF\xBF\xBD";

bool IsByteToken(const std::string& piece) {
  return piece.size() == 6 && piece.compare(0, 3, "<0x") == 0 && piece[5] == '>' &&
         std::isxdigit(static_cast<unsigned char>(piece[3])) && std::isxdigit(static_cast<unsigned char>(piece[4]));
}

std::string WithSpaces(const std::string& piece) {
  const std::string meta = kMetaspace;
  std::string text;
  size_t begin = 0;
  for (size_t at = piece.find(meta); at != std::string::npos; at = piece.find(meta, begin)) {
    text.append(piece, begin, at - begin).append(" ");
    begin = at + meta.size();
  }
  return text.append(piece, begin, std::string::npos);
}

void FlushBytes(std::string& bytes, std::string& text) {
  if (FirstInvalidUtf8(bytes) == kUtf8Valid) {
    text += bytes;
  } else {
    for (size_t i = 0; i < bytes.size(); ++i) text += kReplacement;
  }
  bytes.clear();
}

}  // namespace

TokenDecoder::TokenDecoder(const std::vector<std::string>& pieces) {
  texts_.reserve(pieces.size());
  for (const std::string& piece : pieces) {
    is_byte_.push_back(IsByteToken(piece));
    texts_.push_back(is_byte_.back() ? std::string(1, static_cast<char>(std::stoi(piece.substr(3, 2), nullptr, 16)))
                                     : WithSpaces(piece));
  }
}

std::string TokenDecoder::Decode(const std::vector<int32_t>& ids) const {
  std::string text, bytes;
  for (const int32_t id : ids) {
    const auto place = static_cast<size_t>(id);  // a negative id is a large place
    if (place >= texts_.size() || texts_[place].empty()) continue;
    if (is_byte_[place]) {
      bytes += texts_[place];
      continue;
    }
    FlushBytes(bytes, text);
    text += texts_[place];
  }
  FlushBytes(bytes, text);
  return text;
}

}  // namespace sub1quant

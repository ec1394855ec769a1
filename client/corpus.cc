#include "client/corpus.h"

#include <cstdint>
#include <filesystem>

#include "absl/strings/str_cat.h"
#include "core/digest.h"
#include "core/file.h"
#include "core/status.h"

namespace sub1quant {
namespace {

// Bytes of the sequence that starts at `at`, or 0 if it is none.
size_t SequenceLength(const std::string& text, size_t at) {
  const auto byte = [&](size_t i) { return i < text.size() ? static_cast<uint8_t>(text[i]) : uint8_t{0}; };
  const uint8_t lead = byte(at);
  if (lead < 0x80) return 1;
  const size_t length = lead >= 0xc2 && lead < 0xe0   ? 2
                        : lead >= 0xe0 && lead < 0xf0 ? 3
                        : lead >= 0xf0 && lead < 0xf5 ? 4
                                                      : 0;
  for (size_t i = 1; i < length; ++i)
    if ((byte(at + i) & 0xc0) != 0x80) return 0;
  const uint8_t second = byte(at + 1);
  if ((lead == 0xe0 && second < 0xa0) || (lead == 0xed && second >= 0xa0) || (lead == 0xf0 && second < 0x90) ||
      (lead == 0xf4 && second >= 0x90))
    return 0;
  return length;
}

}  // namespace

size_t FindInvalidUtf8(const std::string& text) {
  for (size_t at = 0; at < text.size();) {
    const size_t length = SequenceLength(text, at);
    if (length == 0) return at;
    at += length;
  }
  return std::string::npos;
}

absl::StatusOr<CorpusFile> OpenCorpus(const std::string& path) {
  const absl::StatusOr<std::string> text = ReadFile(path);
  if (!text.ok()) return Annotate(text.status(), "--corpus");
  if (text->empty())
    return absl::InvalidArgumentError(absl::StrCat("--corpus ", path, ": the file is empty; text is expected"));
  if (const size_t at = FindInvalidUtf8(*text); at != std::string::npos)
    return absl::InvalidArgumentError(absl::StrCat("--corpus ", path, ": byte ", at, " is not UTF-8 text"));
  return CorpusFile{path, std::filesystem::path(path).filename().string(), Sha256Hex(*text)};
}

}  // namespace sub1quant

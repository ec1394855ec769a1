// The corpus as the client sees it: a file that must be UTF-8 text, known by its digest.
#pragma once

#include <string>

#include "absl/status/statusor.h"

namespace sub1quant {

struct CorpusFile {
  std::string path, name, sha256;
};

// Offset of the first byte that is not UTF-8 (RFC 3629: no surrogates, no overlong forms), or npos.
size_t FindInvalidUtf8(const std::string& text);

// NotFound; InvalidArgument for an empty file or the byte offset that is not UTF-8.
absl::StatusOr<CorpusFile> OpenCorpus(const std::string& path);

}  // namespace sub1quant

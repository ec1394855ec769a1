// The blob directory of --cache, kept below a size: what was used longest ago goes first.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "core/clock.h"
#include "quant/artifact/blob_store.h"

namespace sub1quant {

// A blob directory in `directory` that holds at most `limit` bytes of blobs after each write. When a blob was used last
// is the time of change of its file, so that the order survives a restart; several processes may share the directory,
// each of them then keeps the limit for all when it writes. A blob that goes while somebody has its file open stays
// readable there. `clock` outlives the store. Thread-safe.
absl::StatusOr<std::unique_ptr<BlobStore>> OpenBoundedCache(const Clock& clock, const std::string& directory,
                                                            uint64_t limit);

}  // namespace sub1quant

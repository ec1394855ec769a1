// The embedded store: SQLite in WAL mode with synchronous=FULL, one file in a directory that one server at a time
// holds.
#pragma once

#include <chrono>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "core/clock.h"
#include "core/random_id.h"
#include "server/store/store.h"

namespace sub1quant {

struct SqliteStoreOptions {
  std::string directory;  // created; holds store.db and store.lock
  std::chrono::milliseconds lease_ttl{30000};
};

// `clock` and `ids` outlive the store. FailedPrecondition if another process holds the directory, or if its schema is
// newer than this program. Every lease that was active gets a full time to live from `clock.Now()`.
absl::StatusOr<std::unique_ptr<StateStore>> OpenSqliteStore(const Clock& clock, IdGenerator& ids,
                                                            const SqliteStoreOptions& options);

}  // namespace sub1quant

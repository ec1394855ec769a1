#pragma once

#include "absl/status/status.h"
#include "server/store/sqlite.h"

namespace sub1quant {

// Makes the tables of a new database and sets the connection up. FailedPrecondition if the schema is newer than this
// program.
absl::Status PrepareSchema(Database& database);

// Writes a page that changes nothing (the version of the schema once more): whether the disk takes it.
absl::Status ProbeWrite(Database& database);

}  // namespace sub1quant

#include "server/store/sqlite.h"

#include <cerrno>
#include <utility>

#include "absl/strings/str_cat.h"
#include "core/check.h"

namespace sub1quant {

Statement::~Statement() {
  if (handle_ == nullptr) return;
  sqlite3_reset(handle_);
  sqlite3_clear_bindings(handle_);
}

absl::StatusOr<bool> Statement::Step() {
  const int code = sqlite3_step(handle_);
  if (code == SQLITE_ROW) return true;
  if (code == SQLITE_DONE) return false;
  return database_->Error(code);
}

absl::Status Statement::Run() {
  while (true) {
    SUB1QUANT_ASSIGN_OR_RETURN(const bool row, Step());
    if (!row) return absl::OkStatus();
  }
}

bool Statement::IsNull(int column) const { return sqlite3_column_type(handle_, column) == SQLITE_NULL; }
int64_t Statement::Integer(int column) const { return sqlite3_column_int64(handle_, column); }
double Statement::Real(int column) const { return sqlite3_column_double(handle_, column); }

std::string Statement::Bytes(int column) const {
  const void* bytes = sqlite3_column_blob(handle_, column);
  const int size = sqlite3_column_bytes(handle_, column);
  return bytes == nullptr ? "" : std::string(static_cast<const char*>(bytes), static_cast<size_t>(size));
}

int Statement::Bind(int index, int64_t value) { return sqlite3_bind_int64(handle_, index, value); }
int Statement::Bind(int index, double value) { return sqlite3_bind_double(handle_, index, value); }
int Statement::Bind(int index, const std::string& value) {
  return sqlite3_bind_text64(handle_, index, value.data(), value.size(), SQLITE_TRANSIENT, SQLITE_UTF8);
}
int Statement::Bind(int index, const Blob& value) {
  return sqlite3_bind_blob64(handle_, index, value.bytes.data(), value.bytes.size(), SQLITE_STATIC);
}

absl::StatusOr<std::unique_ptr<Database>> Database::Open(const std::string& path) {
  sqlite3* handle = nullptr;
  const int code =
      sqlite3_open_v2(path.c_str(), &handle, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, nullptr);
  if (handle == nullptr) return absl::ResourceExhaustedError(absl::StrCat(path, ": out of memory"));
  std::unique_ptr<Database> database(new Database(handle, path));
  sqlite3_extended_result_codes(handle, 1);
  if (code != SQLITE_OK) return database->Error(code);
  return database;
}

Database::~Database() {
  for (const auto& [sql, statement] : statements_) sqlite3_finalize(statement);
  sqlite3_close(handle_);
}

absl::StatusOr<Statement> Database::Prepare(const std::string& sql) {
  sqlite3_stmt*& handle = statements_[sql];
  if (handle == nullptr) {
    const int code = sqlite3_prepare_v3(handle_, sql.c_str(), static_cast<int>(sql.size() + 1),
                                        SQLITE_PREPARE_PERSISTENT, &handle, nullptr);
    if (code != SQLITE_OK) return Error(code);
  }
  SUB1QUANT_CHECK(sqlite3_stmt_busy(handle) == 0);
  return Statement(this, handle);
}

int64_t Database::Steps() const {
  int64_t steps = 0;
  for (const auto& [sql, statement] : statements_)
    steps += sqlite3_stmt_status(statement, SQLITE_STMTSTATUS_VM_STEP, /*resetFlg=*/0);
  return steps;
}

absl::Status Database::RunScript(const char* sql) {
  const int code = sqlite3_exec(handle_, sql, nullptr, nullptr, nullptr);
  return code == SQLITE_OK ? absl::OkStatus() : Error(code);
}

absl::Status Database::Error(int code) const {
  const int system_error = sqlite3_system_errno(handle_);
  const std::string message = absl::StrCat(path_, ": ", sqlite3_errmsg(handle_));
  switch (code & 0xff) {
    case SQLITE_FULL:
    case SQLITE_NOMEM:
      return absl::ResourceExhaustedError(message);
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
      return absl::DataLossError(message);
    case SQLITE_ERROR:
    case SQLITE_CONSTRAINT:
    case SQLITE_MISMATCH:
    case SQLITE_MISUSE:
    case SQLITE_RANGE:
      return absl::InternalError(message);
    case SQLITE_TOOBIG:
      return absl::InvalidArgumentError(message);
    case SQLITE_IOERR:
      // The message of SQLite does not say why ("disk I/O error").
      if (system_error == ENOSPC || system_error == EDQUOT) return absl::ResourceExhaustedError(message);
      if (system_error != 0) return absl::UnavailableError(ErrnoStatus(system_error, message).message());
      break;
    default:
      break;
  }
  return absl::UnavailableError(message);
}

absl::StatusOr<Transaction> Transaction::Begin(Database& database) {
  Transaction transaction(database);
  transaction.open_ = false;
  SUB1QUANT_RETURN_IF_ERROR(database.Execute("BEGIN IMMEDIATE").status());
  transaction.open_ = true;
  return transaction;
}

Transaction::~Transaction() {
  // A rollback that fails leaves nothing to undo: SQLite has rolled back by itself.
  if (open_) (void)database_->RunScript("ROLLBACK");
}

absl::Status Transaction::Commit() {
  SUB1QUANT_RETURN_IF_ERROR(database_->Execute("COMMIT").status());
  open_ = false;
  return absl::OkStatus();
}

}  // namespace sub1quant

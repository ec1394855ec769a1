#include "quant/artifact/blob_store.h"

#include "core/status.h"

namespace sub1quant {

absl::StatusOr<std::string> PutBlob(BlobStore& store, const std::string& bytes) {
  SUB1QUANT_ASSIGN_OR_RETURN(std::unique_ptr<BlobStore::Writer> writer, store.NewWriter(""));
  SUB1QUANT_RETURN_IF_ERROR(writer->Append(bytes.data(), bytes.size()));
  SUB1QUANT_ASSIGN_OR_RETURN(BlobStore::Writer::Blob blob, writer->Commit());
  return blob.sha256;
}

}  // namespace sub1quant

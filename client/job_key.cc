#include "client/job_key.h"

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "core/digest.h"
#include "core/json.h"
#include "core/version.h"

namespace sub1quant {

std::string JobKey(const JobSpecification& specification, const std::vector<ModelSource::File>& files,
                   const std::string& device) {
  Sha256 digest;
  digest.UpdateField("sub1quant run 1");
  digest.UpdateField(Version());
  digest.UpdateField(Commit());
  digest.UpdateField(DumpJson(ToJson(specification)));
  digest.UpdateField(device);
  for (const ModelSource::File& file : files) {
    if (!absl::EndsWith(file.name, ".json") && !absl::EndsWith(file.name, ".safetensors")) continue;
    digest.UpdateField(file.name);
    digest.UpdateField(std::to_string(file.size));
    digest.UpdateField(file.identity);
  }
  return absl::StrCat("run-", digest.HexDigest());
}

std::string JobKeyAttempt(const std::string& key, int attempt) {
  return attempt <= 1 ? key : absl::StrCat(key, "-", attempt);
}

}  // namespace sub1quant

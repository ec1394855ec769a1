#include "server/service_context.h"

#include "absl/strings/str_cat.h"

namespace sub1quant {

absl::StatusOr<std::unique_ptr<ModelSource>> OpenModel(const ServiceContext& context, const std::string& root,
                                                       const std::string& path) {
  const auto found = context.model_roots.find(root);
  if (found == context.model_roots.end()) {
    std::string known;
    for (const auto& [name, unused] : context.model_roots) absl::StrAppend(&known, known.empty() ? "" : ", ", name);
    return absl::InvalidArgumentError(absl::StrCat("model root '", root, "' is not one of this server's (",
                                                   known.empty() ? "it has none; see --model-root" : known, ")"));
  }
  return OpenModelDirectory(found->second.directory, path, found->second.follow_links);
}

}  // namespace sub1quant

// One colour a method, the same in every chart of a page.
#pragma once

#include <map>
#include <string>

#include "core/json.h"

namespace sub1quant::report {

class MethodPalette {
 public:
  // Methods of the report's tensors and of the scan's candidates, cheapest first.
  MethodPalette(const Json& report, const Json& scan);

  // CSS class: "m0" … "m7", with " hollow" for every second round of the eight colours.
  std::string Class(const std::string& method) const;
  // Swatches with names and how often each was chosen.
  std::string Legend() const;

 private:
  struct Entry {
    double bpw = 0;  // the least seen
    int64_t chosen = 0;
    int colour = 0;
  };
  void See(const Json& candidate, bool chosen);

  std::map<std::string, Entry> methods_;
};

}  // namespace sub1quant::report

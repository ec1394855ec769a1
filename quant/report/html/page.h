// Parts of the HTML page that are not charts.
#pragma once

#include <string>

#include "core/json.h"

namespace sub1quant::report {

const char* StyleSheet();  // light and dark by prefers-color-scheme
const char* SortScript();  // sorts table.sortable by the clicked column
// One row a matrix, sortable; empty without an allocation.
std::string TensorTable(const Json& report);

}  // namespace sub1quant::report

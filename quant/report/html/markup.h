// Text into HTML. Keys, labels and devices come from files of strangers: everything goes through Escape.
#pragma once

#include <string>

namespace sub1quant::report {

// & < > " ' as entities, control characters as '?': safe in element content and in double-quoted attributes.
std::string Escape(const std::string& text);

// A coordinate with at most two decimals.
std::string Coordinate(double value);

// <title> for SVG elements: the browser shows it as a tooltip.
std::string Tooltip(const std::string& text);

}  // namespace sub1quant::report

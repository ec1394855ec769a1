#include "quant/report/html/markup.h"

#include "quant/report/format.h"

namespace sub1quant::report {

std::string Escape(const std::string& text) {
  std::string safe;
  for (const char c : Printable(text)) {
    switch (c) {
      case '&':
        safe += "&amp;";
        break;
      case '<':
        safe += "&lt;";
        break;
      case '>':
        safe += "&gt;";
        break;
      case '"':
        safe += "&quot;";
        break;
      case '\'':
        safe += "&#39;";
        break;
      default:
        safe += c;
    }
  }
  return safe;
}

std::string Coordinate(double value) {
  std::string text = Decimals(value, 2);
  while (text.back() == '0') text.pop_back();
  if (text.back() == '.') text.pop_back();
  return text == "-0" ? "0" : text;
}

std::string Tooltip(const std::string& text) { return "<title>" + Escape(text) + "</title>"; }

}  // namespace sub1quant::report

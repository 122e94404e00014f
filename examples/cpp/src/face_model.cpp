#include "face_model.hpp"

#include <cmath>
#include <cstdint>
#include <cstring>
#include <map>
#include <nlohmann/json.hpp>
#include <sstream>

#include "image.hpp"

namespace edgeface {

namespace {

constexpr std::size_t num_landmarks = 68, max_bytes = std::size_t{1} << 29;

struct Array {
  std::vector<std::size_t> shape;
  std::string type;  // numpy's, such as "<f2"
  std::string bytes;
};

std::string decode_base64(const std::string& text) {
  static const std::string alphabet =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string out;
  std::uint32_t bits = 0;
  int count = 0;
  for (char c : text) {
    if (c == '=') break;
    const auto value = alphabet.find(c);
    if (value == std::string::npos) throw Error("the face model is no base64");
    bits = bits << 6 | static_cast<std::uint32_t>(value);
    count += 6;
    if (count >= 8) {
      count -= 8;
      out.push_back(static_cast<char>(bits >> count & 255));
    }
  }
  return out;
}

// A little-endian integer; the zip format has no other.
std::size_t number(const std::string& data, std::size_t at, int length) {
  if (at + length > data.size()) throw Error("the face model is cut off");
  std::size_t value = 0;
  for (int i = length; i-- > 0;) value = value << 8 | static_cast<unsigned char>(data[at + i]);
  return value;
}

// What a .npy header, the text of a Python dict, has between two marks.
std::string between(const std::string& header, const std::string& first, const char* last) {
  const auto start = header.find(first);
  const auto end = header.find(last, start + first.size());
  if (start == std::string::npos || end == std::string::npos)
    throw Error("the face model holds an array without " + first);
  return header.substr(start + first.size(), end - start - first.size());
}

Array read_npy(const std::string& data) {
  const bool is_long = number(data, 6, 1) > 1;  // version 1 has a two-byte header length
  const auto start = is_long ? 12 + number(data, 8, 4) : 10 + number(data, 8, 2);
  const auto header = data.substr(0, start);
  if (between(header, "'fortran_order': ", ",") != "False")
    throw Error("the face model holds an array that is not in C order");
  Array array{{}, between(header, "'descr': '", "'"), data.substr(start)};
  std::istringstream sizes(between(header, "'shape': (", ")"));
  for (std::size_t size; sizes >> size; sizes.ignore()) array.shape.push_back(size);
  return array;
}

std::map<std::string, Array> read_npz(const std::string& data) {
  const auto end = data.rfind("PK\5\6");  // the end-of-central-directory record
  if (end == std::string::npos) throw Error("the face model is no zip archive");
  std::map<std::string, Array> arrays;
  auto at = number(data, end + 16, 4);
  for (auto left = number(data, end + 10, 2); left > 0; --left) {
    const auto method = number(data, at + 10, 2), packed = number(data, at + 20, 4);
    const auto size = number(data, at + 24, 4), name_length = number(data, at + 28, 2);
    const auto local = number(data, at + 42, 4);
    const auto start = local + 30 + number(data, local + 26, 2) + number(data, local + 28, 2);
    auto name = data.substr(at + 46, name_length);
    auto bytes = data.substr(start, packed);
    if (size > max_bytes) throw Error("the face model is too large");
    if (method == 8) bytes = inflate(std::move(bytes), size);
    arrays[name.substr(0, name.rfind(".npy"))] = read_npy(bytes);
    at += 46 + name_length + number(data, at + 30, 2) + number(data, at + 32, 2);
  }
  return arrays;
}

float half(std::uint16_t bits) {
  const float sign = bits & 0x8000 ? -1.0f : 1.0f;
  const int exponent = bits >> 10 & 31, fraction = bits & 1023;
  if (exponent == 31) return fraction ? NAN : sign * INFINITY;
  if (exponent == 0) return sign * std::ldexp(static_cast<float>(fraction), -24);
  return sign * std::ldexp(1.0f + fraction / 1024.0f, exponent - 15);
}

template <typename T>
std::vector<T> values(const Array& array) {
  std::size_t count = 1;
  for (const auto size : array.shape)
    count = count <= max_bytes && size <= max_bytes ? count * size : 0;
  if (count == 0 || array.bytes.size() != count * sizeof(T))
    throw Error("the face model holds an array that is empty, or not as long as its shape says");
  std::vector<T> out(count);
  std::memcpy(out.data(), array.bytes.data(), array.bytes.size());
  return out;
}

std::vector<float> floats(const Array& array) {
  if (array.type == "<f4") return values<float>(array);
  if (array.type != "<f2") throw Error("unexpected type " + array.type);
  const auto halves = values<std::uint16_t>(array);
  std::vector<float> out(halves.size());
  for (std::size_t i = 0; i < out.size(); ++i) out[i] = half(halves[i]);
  return out;
}

// Shapes (..., V, 3) at the landmarks (..., L, 3).
std::vector<float> at_landmarks(const Array& shapes, const Array& vertices, const Array& weights) {
  const auto dense = floats(shapes), weight = floats(weights);
  const auto vertex = values<std::int32_t>(vertices);
  const auto num_vertices = shapes.shape[shapes.shape.size() - 2];
  const auto corners = vertices.shape[1];
  for (const auto index : vertex)
    if (index < 0 || static_cast<std::size_t>(index) >= num_vertices)
      throw Error("the landmarks of the face model are not on its mesh");
  const auto count = dense.size() / (num_vertices * 3);
  std::vector<float> out(count * num_landmarks * 3);
  for (std::size_t s = 0; s < count; ++s)
    for (std::size_t c = 0; c < num_landmarks * corners; ++c)
      for (std::size_t axis = 0; axis < 3; ++axis)
        out[(s * num_landmarks + c / corners) * 3 + axis] +=
            weight[c] * dense[(s * num_vertices + vertex[c]) * 3 + axis];
  return out;
}

}  // namespace

FaceModel read_face_model(const std::string& base64) {
  const auto arrays = read_npz(decode_base64(base64));
  const auto &identity = arrays.at("identity"), &expression = arrays.at("expression");
  const auto &vertices = arrays.at("landmark_vertices"), &weights = arrays.at("landmark_weights");
  const auto rank = expression.shape.size();
  if (identity.shape.size() != 3 || rank < 3 || rank > 4 || vertices.shape.size() != 2 ||
      weights.shape != vertices.shape || vertices.shape[0] != num_landmarks ||
      identity.shape[2] != 3 || expression.shape[rank - 1] != 3)
    throw Error("the face model's arrays have unexpected shapes");
  return FaceModel{
      vertices.shape[0],
      identity.shape[0],
      expression.shape[rank - 3],
      rank == 4 ? expression.shape[0] : 1,
      at_landmarks(identity, vertices, weights),
      at_landmarks(expression, vertices, weights),
      nlohmann::json::parse(arrays.at("header").bytes).at("sha256"),
  };
}

}  // namespace edgeface

"""Recognition of text in pictures, by PP-OCRv6 on onnxruntime."""

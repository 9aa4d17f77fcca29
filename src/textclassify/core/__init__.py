"""The words of the library: texts, labels, scores, data, classifiers, folders."""

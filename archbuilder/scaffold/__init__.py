"""New blueprints for a dataset: `archbuilder new NAME.yaml --data FILE`.

`table_sample` reads the first rows of a table, `column_profile` decides what each column holds, and
`tables` and `arrays` write a blueprint for it. `data_blueprint` chooses between them.
"""
